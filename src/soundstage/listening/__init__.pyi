from .before_after import write_listening_page, write_upmix_page

__all__ = ["write_listening_page", "write_upmix_page"]
