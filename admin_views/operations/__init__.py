"""What keeps the studio running: errors, the audit log, exports, actions on many rows."""
