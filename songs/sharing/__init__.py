"""What listeners share: published songs, their lists, likes, plays and reports.

publishing.py  publish, withdraw; take down and put back, for operators
listings.py    the places of songs in the lists, and the pages of these lists
heat.py        how much a song was liked lately, as one number that needs no clock
likes.py       a like, once a listener
plays.py       a play, once a hearer and half hour
counts.py      the counts with what the tally has not added yet
tally.py       adds the changes of counts to the songs' rows
reports.py     “this should not be here”
hearers.py     accounts and networks as keys
chores.py      the engine's functions: tally, counts of categories, old plays
public.py, discover.py, reactions.py, owner.py, feed.py   the pages
sitemaps.py    what search engines may find
forms.py       their forms
"""
