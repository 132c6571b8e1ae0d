"""The market, in four parts over one set of tables: catalogue, screening, review and money."""
