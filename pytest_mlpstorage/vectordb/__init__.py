"""Our vector database benchmark: engines behind one interface, data with exact answers, measured searches; programs without pytest."""
