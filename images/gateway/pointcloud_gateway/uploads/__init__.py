"""Files that arrive over HTTP, whole in a form or resumably: parts in the store first, an acknowledgement after."""
