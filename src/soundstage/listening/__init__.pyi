from .before_after import write_listening_page, write_takes_page

__all__ = ["write_listening_page", "write_takes_page"]
