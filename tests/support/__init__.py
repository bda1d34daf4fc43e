"""What tests share: people, functions, rows, endpoints, clusters that die."""
