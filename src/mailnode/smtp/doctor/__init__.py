"""The doctor: goes through the steps of sending a mail, reports on each, and sends none."""
