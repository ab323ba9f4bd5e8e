# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # First steps with Counterpoint
#
# This notebook reads scores, predicts melodies, embeds twenty pieces, finds neighbours and fits a probe. It needs no
# download: the scores come with music21. Open it with `jupytext --to ipynb docs/notebook.py` or run it with `python
# docs/notebook.py`.

# %%
import numpy as np
from music21 import corpus
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import symbolic

# %% [markdown]
# ## Read
#
# Ten chorales of Bach (MusicXML) and ten tunes of Ryan's Mammoth Collection (abc).

# %%
chorales = [str(path) for path in corpus.getComposer("bach", fileExtensions=("mxl",))[:10]]
tunes = [str(path) for path in corpus.getComposer("ryansMammoth", fileExtensions=("abc",))[:10]]
files = chorales + tunes
styles = np.array(["chorale"] * len(chorales) + ["dance"] * len(tunes))

music = symbolic.read_music(chorales[0])
print(music)
music.notes[:3]

# %% [markdown]
# ## Tokens
#
# Each note is one token of eight fields. Every token knows its note.

# %%
tokenizer = symbolic.Tokenizer()
tokens = tokenizer(music)
print(tokens)
print(symbolic.FIELDS)
print(tokens.ids[:3])
print(symbolic.transpose(tokens, 3).ids[:3])

# %% [markdown]
# ## Predict
#
# The bundled model `melody` labels every note as melody, bridge or accompaniment. It was trained on pop songs for
# piano, so a chorale for choir and instruments is a hard test. Its soprano is track 0.

# %%
melody = symbolic.load("melody")
notes = melody(music)
print(melody)
for track in np.unique(notes.music.notes["track"]):
    labels = np.array(notes.labels)[notes.music.notes["track"] == track]
    print(f"track {track}: {np.mean(labels == 'melody'):.0%} melody of {len(labels)} notes")

# %% [markdown]
# ## Embed
#
# A pretrained model gives one vector for a piece. A list of files gives a matrix.

# %%
tiny = symbolic.load("tiny")
vectors = tiny.embed(files)
vectors.shape

# %% [markdown]
# ## Nearest neighbours
#
# Standardise each dimension first. Then compare the pieces by the cosine of their vectors.

# %%
scaled = StandardScaler().fit_transform(vectors)
unit = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
similarity = unit @ unit.T
np.fill_diagonal(similarity, -1)
nearest = similarity.argmax(axis=1)
print(f"{np.mean(styles[nearest] == styles):.0%} of the nearest neighbours have the same style")

# %% [markdown]
# ## Probe
#
# A probe is a simple classifier on frozen vectors. Each piece is predicted from the other nineteen. Twenty pieces
# are few, so read the number as a demonstration and not as a result.

# %%
probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
predicted = cross_val_predict(probe, vectors, styles, cv=LeaveOneOut())
print(f"{np.mean(predicted == styles):.0%} right")
