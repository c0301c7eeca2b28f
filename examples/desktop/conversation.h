// Conversations as the window knows them, and as a file.
#pragma once

#include <vector>

#include <QJsonObject>
#include <QString>

#include <baleen/baleen.h>

namespace desktop {

struct Message {
  bool mine = false;  // By the person at the window; else by the model.
  QString text;
  QString thinking;
  // What the model wrote it with; they go into the next prompt as they are.
  std::vector<baleen_token> tokens;
};

// A line of conversation.  One that was branched off goes on from where its
// parent stood.
struct Branch {
  int id = 0;
  int parent = 0;  // 0: none.
  QString name;
  std::vector<Message> messages;
};

struct Conversation {
  QString model;  // Folder.
  bool thinking = false;
  int current = 0;
  std::vector<Branch> branches;

  Branch* Find(int id);
};

// To and from a JSON file.  They return what went wrong; empty: nothing did.
QString WriteConversation(const Conversation& conversation,
                          const QString& path);
QString ReadConversation(const QString& path, Conversation* conversation);

}  // namespace desktop
