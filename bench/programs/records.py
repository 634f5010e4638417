"""Records of a JSON file, as a script does with objects, dictionaries and strings: read one by one,
grouped by tag, sorted, and written again."""
import json
import sys
from itertools import islice


class Item:
    def __init__(self, record):
        self.name = record["name"]
        self.price = record["price"]
        self.tags = record["tags"]
        self.words = record["note"].split()


groups = {}
with open(sys.argv[1], encoding="utf-8") as file:
    for line in islice(file, 40000):
        item = Item(json.loads(line))
        for tag in item.tags:
            groups.setdefault(tag.lower(), []).append(item)

for tag, items in sorted(groups.items()):
    items.sort(key=lambda item: (item.price, item.name))
    print(json.dumps({
        "tag": tag,
        "price": sum(item.price for item in items) / len(items),
        "words": len({word for item in items for word in item.words}),
        "first": items[0].name,
    }))
