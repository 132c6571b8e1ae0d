"""The review desk: claims, decisions and what follows from them, reports and appeals."""
