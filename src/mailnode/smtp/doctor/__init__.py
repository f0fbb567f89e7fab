"""The doctor: goes the way that a mail would go, says what it finds, and hands nothing over."""
