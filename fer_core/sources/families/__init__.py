"""What readers of one family of data sets share: FER2013 and FERPlus, RAF, AffectNet."""
