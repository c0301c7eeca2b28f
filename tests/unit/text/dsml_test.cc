// Tool calls as the model writes them (text.md §1.7).
#include "text/dsml_tag.h"

#include <gtest/gtest.h>

#include <string>

#include "text/reply_marks.h"

namespace baleen {
namespace {

constexpr unsigned kAll = kBlockBegin | kBlockEnd | kInvokeBegin | kInvokeEnd |
                          kParameterBegin | kParameterEnd;

struct TagCase {
  const char* text;  // "D" stands for the mark.
  DsmlTagKind kind;
  const char* name = "";
  ValueMark mark = ValueMark::kNone;
  const char* value = "";
  bool closed = false;
};

std::string WithMarks(std::string text) {
  for (char& c : text) {
    if (c == 'D') c = kMarkDsml;
  }
  return text;
}

TEST(DsmlTag, Kinds) {
  const TagCase cases[] = {
      {"<Dtool_calls>", kBlockBegin},
      {"<Dtool_calls \n>", kBlockBegin},
      {"</Dtool_calls>", kBlockEnd},
      {"<Dinvoke name=\"f\">", kInvokeBegin, "f"},
      {"<Dinvoke name=\"a>b\">", kInvokeBegin, "a>b"},
      {"<Dinvoke name=\"a\"b\">", kInvokeBegin, "a\"b"},
      {"<Dinvoke name=\"a\" id=\"5\">", kInvokeBegin, "a"},
      {"<Dinvoke name=\"f\" / >", kInvokeBegin, "f", ValueMark::kNone, "",
       true},
      {"</Dinvoke>", kInvokeEnd},
      {"<Dparameter name=\"k\" string=\"true\">", kParameterBegin, "k",
       ValueMark::kString},
      {"<Dparameter name=\"k\" string=\"false\">", kParameterBegin, "k",
       ValueMark::kJson},
      {"<Dparameter name=\"k\">", kParameterBegin, "k"},
      {"<Dparameter name=\"k\" string=\"x > y\">", kParameterBegin, "k",
       ValueMark::kNone, "x > y"},
      {"<Dparameter name=\"k\" string=\"v\"/>", kParameterBegin, "k",
       ValueMark::kNone, "v", true},
      {"</Dparameter>", kParameterEnd},
  };
  for (const TagCase& test : cases) {
    SCOPED_TRACE(test.text);
    const std::string text = WithMarks(test.text);
    const std::string more = text + "<rest>";
    const DsmlTag tag = ReadDsmlTag(more, kAll);
    EXPECT_EQ(tag.kind, test.kind);
    EXPECT_FALSE(tag.partial);
    EXPECT_EQ(tag.size, text.size());
    EXPECT_EQ(tag.name, test.name);
    EXPECT_EQ(tag.mark, test.mark);
    EXPECT_EQ(tag.value, test.value);
    EXPECT_EQ(tag.closed, test.closed);
    // Cut anywhere it is the beginning of one, and none if it is not wanted.
    for (size_t cut = 1; cut < text.size(); ++cut) {
      const DsmlTag part = ReadDsmlTag(text.substr(0, cut), kAll);
      // A ">" in a name may be read as the tag's own before the rest is there.
      if (cut <= text.find('>')) {
        EXPECT_TRUE(part.partial) << cut;
      }
    }
    EXPECT_EQ(ReadDsmlTag(text, kAll & ~test.kind).kind, kNoTag);
  }
}

TEST(DsmlTag, NoTags) {
  for (const char* text :
       {"<a", "<<", "</a", "<Dx", "<Dinvoked name=\"f\">", "<Dinvoke>",
        "<Dinvoke name=f>x<D", "<Dtool_calls x>", "<Dinvoke name=\"\"><D",
        "<Dparameter name=\"k\" other=\"5\">v</Dparameter>", "<DSMLx"}) {
    const std::string marked = WithMarks(text);
    const DsmlTag tag = ReadDsmlTag(marked, kAll);
    EXPECT_EQ(tag.kind, kNoTag) << text;
    EXPECT_FALSE(tag.partial) << text;
  }
}

TEST(DsmlTag, NothingIsWaitedForForEver) {
  const std::string head = WithMarks("<Dinvoke name=\"");
  EXPECT_TRUE(ReadDsmlTag(head + std::string(500, 'a'), kAll).partial);
  EXPECT_FALSE(ReadDsmlTag(head + std::string(5000, 'a'), kAll).partial);
  EXPECT_FALSE(
      ReadDsmlTag(WithMarks("</Dinvoke") + std::string(5000, ' '), kAll)
          .partial);
}

}  // namespace
}  // namespace baleen
