"""What calls cost: the catalogue of genai-prices and a project's own prices (docs/prices.md).

Importing this does not import genai-prices: `Prices.start` does.
"""

from litefuse.prices.book import Book
from litefuse.prices.price import Priced, cost_columns
from litefuse.prices.refresh import Prices

__all__ = ("Book", "Priced", "Prices", "cost_columns")
