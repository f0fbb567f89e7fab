"""Random octets for everything that reads what strangers write: `make fuzz`, and a short run in `make test`."""
