"""What baleen.h declares, for the programs that write bindings of it."""

import os
import re
import sys
from collections import namedtuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEADER = os.path.join(ROOT, "include", "baleen", "baleen.h")

# In the order of the header.  A comment is as it stands there, or empty; types
# are those of C, as text; `arguments` and `members` are lists.
Opaque = namedtuple("Opaque", "name")
Struct = namedtuple("Struct", "name comment members")
Callback = namedtuple("Callback", "name comment returns arguments")
Alias = namedtuple("Alias", "name comment old")
# `type` is that of the constants, or None for flags, which have none.
Enum = namedtuple("Enum", "comment type constants")
Constant = namedtuple("Constant", "name value comment")
Function = namedtuple("Function", "name comment returns arguments")
Argument = namedtuple("Argument", "name type")
# `count` is that of an array, or None.  A function has `arguments`, and its
# result's type; other members have None.
Member = namedtuple("Member", "name type count arguments comments")

_TOKEN = re.compile(r"/\*.*?\*/|\w+|[^\s\w]", re.S)
_DECLARATION = re.compile(
    r"(?P<comment>(?:/\*(?:(?!\*/).)*\*/[ \t]*\n)?)"
    r"(?:typedef struct (?P<opaque>\w+) (?P=opaque);"
    r"|typedef struct (?P<struct>\w+) \{(?P<members>.*?)\} (?P=struct);"
    r"|typedef (?P<result>[\w\s]+?)\(\*(?P<pointer>\w+)\)"
    r"\((?P<pointed>.*?)\);"
    r"|typedef (?P<old>\w+) (?P<new>\w+);"
    r"|enum \{(?P<values>.*?)\};"
    r"|BALEEN_API (?P<returns>[\w\s*]+?)\b(?P<function>baleen_\w+)"
    r"\((?P<arguments>.*?)\);)", re.S)


def read_text():
    with open(HEADER, encoding="utf-8") as file:
        return file.read()


def version(text):
    return re.search(r"#define BALEEN_VERSION (\d+)", text).group(1)


def pointers(text):
    """(name, constness of what each star points to) of a C type such as
    `const char* const*`."""
    words = re.findall(r"\w+|\*", text)
    name = next(word for word in words if word not in ("const", "*"))
    constant = "const" in words and words.index("const") < words.index(name)
    stars = []
    for word in words[words.index(name) + 1:]:
        if word == "*":
            stars.append(constant)
            constant = False
        elif word == "const":
            constant = True
    return name, stars


def _arguments(text):
    text = " ".join(text.split())
    if text == "void":
        return []
    found = []
    for argument in text.split(","):
        kind, name = re.match(r"\s*(.*?)(\w+)\s*$", argument).groups()
        found.append(Argument(name, kind))
    return found


def _member(text, comments):
    text = text.replace("( * ", "(*")
    function = re.match(r"(.*)\(\*(\w+) \) \( (.*) \)$", text)
    if function:
        returns, name, arguments = function.groups()
        return Member(name, returns, None, _arguments(arguments), comments)
    array = re.match(r"(.*?)(\w+) \[ (\d+) \]$", text)
    if array:
        kind, name, count = array.groups()
        return Member(name, kind, count, None, comments)
    kind, name = re.match(r"(.*?)(\w+)$", text).groups()
    return Member(name, kind, None, None, comments)


def _members(body):
    """Members with the comments behind or before them."""
    items = []
    for token in _TOKEN.findall(body):
        if token.startswith("/*"):  # Always about the member before it.
            items[-1][1].append(token)
            continue
        if not items or (items[-1][0] and items[-1][0][-1] == ";"):
            items.append(([], []))
        items[-1][0].append(token)
    return [_member(" ".join(tokens[:-1]), comments)
            for tokens, comments in items]


def _constants(body):
    pattern = r"\b(BALEEN_\w+) = ([^,/]+?),?\s*(/\*.*?\*/)?\s*(?=BALEEN_|$)"
    return [Constant(name, value.strip(), comment)
            for name, value, comment in re.findall(pattern, body.strip(), re.S)
            if name != "BALEEN_PART_COUNT"]  # Which is "of this version".


def _declaration(part, kind):
    comment = part["comment"]
    # A line across the page is not about what follows it.
    if comment.startswith("/* ----"):
        comment = ""
    if part["opaque"]:
        return Opaque(part["opaque"])
    if part["struct"]:
        return Struct(part["struct"], comment, _members(part["members"]))
    if part["pointer"]:
        return Callback(part["pointer"], comment, part["result"],
                        _arguments(part["pointed"]))
    if part["new"]:
        return Alias(part["new"], comment, part["old"])
    if part["values"]:
        return Enum(comment, kind, _constants(part["values"]))
    return Function(part["function"], comment, part["returns"],
                    _arguments(part["arguments"]))


def declarations(text):
    text = text[text.index('extern "C" {'):] \
        .replace('extern "C" {\n#endif', "", 1)
    found = []
    last_end = 0
    for match in _DECLARATION.finditer(text):
        # The constants right behind a typedef are of that type.
        kind = None
        if found and isinstance(found[-1], Alias) and \
                match.start() - last_end < 3:
            kind = found[-1].name
        found.append(_declaration(match.groupdict(), kind))
        last_end = match.end()
    functions = sum(isinstance(each, Function) for each in found)
    if functions != text.count("\nBALEEN_API "):
        sys.exit("a function of the header was not understood")
    return found


def main(files):
    """Writes the texts of a generator, or with --check compares them with what
    is there."""
    for path, text in files.items():
        if "--check" not in sys.argv:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            continue
        with open(path, encoding="utf-8") as file:
            if file.read() != text:
                sys.exit("%s is not what the header says: run %s" %
                         (path, os.path.abspath(sys.argv[0])))
