"""Read MusicXML into music."""
