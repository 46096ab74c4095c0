"""The use cases, and the one place where real objects are built (`build`)."""
