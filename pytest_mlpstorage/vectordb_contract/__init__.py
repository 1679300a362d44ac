"""What every vector database engine must do, as tests for anyone's own: ``python -m pytest_mlpstorage.vectordb_contract NAME``."""
