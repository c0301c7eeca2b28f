// One message of a conversation on the screen.
#pragma once

#include <QFrame>
#include <QString>

#include "conversation.h"

class QLabel;
class QToolButton;

namespace desktop {

class MessageView : public QFrame {
  Q_OBJECT

 public:
  MessageView(const Message& message, QWidget* parent);

  // What the model writes goes here as it comes; Flush shows it.  Laying out
  // a long text takes longer than a token, so not each one is shown alone.
  void Add(const QString& text, bool thinking);
  void Flush();

  // The answer is complete: one may branch off here.
  void Finish(const Message& message);

  QString text() const { return message_.text; }
  QString thinking() const { return message_.thinking; }

 Q_SIGNALS:
  void BranchWanted();

 private:
  void FitText();

  Message message_;
  bool changed_ = false;
  QToolButton* fold_;
  QLabel* thinking_;
  QLabel* text_;
  QToolButton* branch_;
};

}  // namespace desktop
