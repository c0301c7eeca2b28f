#include "conversation.h"

#include <utility>

#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QSaveFile>

namespace desktop {
namespace {

QJsonObject ToJson(const Message& message) {
  QJsonArray tokens;
  for (const baleen_token token : message.tokens) tokens.append(token);
  return {{"role", message.mine ? "user" : "assistant"},
          {"content", message.text},
          {"reasoning_content", message.thinking},
          {"tokens", tokens}};
}

Message MessageFrom(const QJsonObject& json) {
  Message message;
  message.mine = json["role"] == "user";
  message.text = json["content"].toString();
  message.thinking = json["reasoning_content"].toString();
  for (const auto& token : json["tokens"].toArray()) {
    message.tokens.push_back(token.toInt());
  }
  return message;
}

QJsonObject ToJson(const Branch& branch) {
  QJsonArray messages;
  for (const Message& message : branch.messages) {
    messages.append(ToJson(message));
  }
  return {{"id", branch.id},
          {"parent", branch.parent},
          {"name", branch.name},
          {"messages", messages}};
}

Branch BranchFrom(const QJsonObject& json) {
  Branch branch;
  branch.id = json["id"].toInt();
  branch.parent = json["parent"].toInt();
  branch.name = json["name"].toString();
  for (const auto& message : json["messages"].toArray()) {
    branch.messages.push_back(MessageFrom(message.toObject()));
  }
  return branch;
}

}  // namespace

Branch* Conversation::Find(int id) {
  for (Branch& branch : branches) {
    if (branch.id == id) return &branch;
  }
  return nullptr;
}

QString WriteConversation(const Conversation& conversation,
                          const QString& path) {
  QJsonArray branches;
  for (const Branch& branch : conversation.branches) {
    branches.append(ToJson(branch));
  }
  const QJsonObject json = {{"model", conversation.model},
                            {"thinking", conversation.thinking},
                            {"current", conversation.current},
                            {"branches", branches}};
  // The old file stays until the new one is whole.
  QSaveFile file(path);
  if (!file.open(QIODevice::WriteOnly) ||
      file.write(QJsonDocument(json).toJson()) < 0 || !file.commit()) {
    return path + " cannot be written: " + file.errorString() + ".";
  }
  return {};
}

QString ReadConversation(const QString& path, Conversation* conversation) {
  QFile file(path);
  if (!file.open(QIODevice::ReadOnly)) {
    return path + " cannot be read: " + file.errorString() + ".";
  }
  const QJsonObject json = QJsonDocument::fromJson(file.readAll()).object();
  Conversation read;
  read.model = json["model"].toString();
  read.thinking = json["thinking"].toBool();
  read.current = json["current"].toInt();
  for (const auto& branch : json["branches"].toArray()) {
    read.branches.push_back(BranchFrom(branch.toObject()));
  }
  if (read.Find(read.current) == nullptr) {
    return path + " is not a saved conversation.";
  }
  *conversation = std::move(read);
  return {};
}

}  // namespace desktop
