"""What authors of adapters and verticals test with. `strategies` needs the extra `testing`."""
