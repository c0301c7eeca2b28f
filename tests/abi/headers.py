"""What the public headers declare, for the tests of the ABI."""

import os
import re
import subprocess
import tempfile

HEADERS = ("baleen/baleen.h", "baleen/backend.h")

# Their meaning is "of this version".
GROWING = ("BALEEN_BACKEND_MINOR", "BALEEN_OP_COUNT", "BALEEN_PART_COUNT")


class Struct:
    def __init__(self, name, members, frozen):
        self.name = name
        self.members = members
        self.frozen = frozen


def strip_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def member_names(body):
    names = []
    for member in strip_comments(body).split(";"):
        function = re.search(r"\(\*\s*(\w+)\)\s*\(", member)
        if function:
            names.append(function.group(1))
            continue
        name = re.search(r"(\w+)\s*(\[\s*\w+\s*\])*\s*$", member.strip())
        if name:
            names.append(name.group(1))
    return names


def structs(text):
    pattern = r"((?:/\*(?:(?!\*/).)*\*/\s*)?)typedef struct (\w+) \{(.*?)\} \2;"
    found = []
    for comment, name, body in re.findall(pattern, text, flags=re.S):
        frozen = re.search(r"\bFrozen\b", comment) is not None
        found.append(Struct(name, member_names(body), frozen))
    return found


def constants(text):
    names = []
    for body in re.findall(r"\benum \{(.*?)\}", strip_comments(text), flags=re.S):
        names += re.findall(r"\b(BALEEN_\w+)\s*=", body)
    return [name for name in names if name not in GROWING]


def functions(text):
    return re.findall(r"BALEEN_API[^;(]*?\b(baleen_\w+)\s*\(",
                      strip_comments(text))


def read(include):
    """The texts of the headers."""
    texts = []
    for header in HEADERS:
        with open(os.path.join(include, header), encoding="utf-8") as file:
            texts.append(file.read())
    return texts


def layout(include, compiler):
    """The lines of layout_*.inc for the headers as they are."""
    prints = []
    for text in read(include):
        for struct in structs(text):
            kind = "EXACT" if struct.frozen else "SIZE"
            prints.append('printf("%s(%s, %%zu)\\n", sizeof(%s));' %
                          (kind, struct.name, struct.name))
            for member in struct.members:
                prints.append('printf("AT(%s, %s, %%zu)\\n", offsetof(%s, %s));'
                              % (struct.name, member, struct.name, member))
        for name in constants(text):
            prints.append('printf("IS(%s, %%d)\\n", (int)%s);' % (name, name))
    program = "#include <stddef.h>\n#include <stdio.h>\n"
    program += "".join("#include <%s>\n" % header for header in HEADERS)
    program += "int main(void) {\n%s\nreturn 0;\n}\n" % "\n".join(prints)
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "layout.c")
        binary = os.path.join(folder, "layout")
        with open(source, "w", encoding="utf-8") as file:
            file.write(program)
        subprocess.run([compiler, "-I" + include, "-o", binary, source],
                       check=True)
        output = subprocess.run([binary], check=True, capture_output=True)
    return output.stdout.decode().splitlines()
