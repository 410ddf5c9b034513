"""Mutation testing: small mistakes made on purpose where a mistake is dangerous; tests must notice them."""
