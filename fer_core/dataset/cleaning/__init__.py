"""The stage `clean`: faces of one data set into a face store."""
