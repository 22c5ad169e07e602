"""For chapters on an AWS account of one's own: what one may do there, what it costs, and that nothing stays."""
