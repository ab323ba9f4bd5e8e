"""Write music by command: passages anew, a page to compare them, and a blind listening test."""
