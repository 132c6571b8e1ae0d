"""The programs that we are measured against, each as its own documentation shows it first."""
