"""The demo: the product's story on a real cluster, told live, and proven with numbers."""
