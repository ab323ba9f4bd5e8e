"""Turn music into tokens and back: vocabulary, tokenizer, transposition and MidiTok."""
