"""Turn music into tokens: vocabulary, tokenizer, transposition, MidiTok's schemes."""
