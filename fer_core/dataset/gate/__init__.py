"""The stage `validate`: checks that nothing passes unsound."""
