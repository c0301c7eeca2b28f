#include "message_view.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QToolButton>
#include <QVBoxLayout>

namespace desktop {
namespace {

// So that rounding wraps no word that would fit.
constexpr int kSlack = 4;

QLabel* MakeText(const char* name, QWidget* parent) {
  auto* label = new QLabel(parent);
  label->setObjectName(name);
  label->setWordWrap(true);
  label->setTextFormat(Qt::PlainText);
  label->setTextInteractionFlags(Qt::TextSelectableByMouse);
  return label;
}

}  // namespace

MessageView::MessageView(const Message& message, QWidget* parent)
    : QFrame(parent), message_(message) {
  setObjectName(message.mine ? "question" : "answer");
  fold_ = new QToolButton(this);
  fold_->setObjectName("fold");
  fold_->setCheckable(true);
  fold_->setArrowType(Qt::RightArrow);
  fold_->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
  thinking_ = MakeText("thinking", this);
  text_ = MakeText("text", this);
  branch_ = new QToolButton(this);
  branch_->setObjectName("branch");
  branch_->setText(tr("Branch from here"));
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(14, 10, 14, 10);
  layout->addWidget(fold_);
  layout->addWidget(thinking_);
  layout->addWidget(text_);
  layout->addWidget(branch_, 0, Qt::AlignRight);
  thinking_->hide();
  connect(fold_, &QToolButton::toggled, this, [this](bool open) {
    fold_->setArrowType(open ? Qt::DownArrow : Qt::RightArrow);
    thinking_->setVisible(open);
  });
  connect(branch_, &QToolButton::clicked, this, &MessageView::BranchWanted);
  branch_->setVisible(!message.mine && !message.tokens.empty());
  changed_ = true;
  Flush();
  if (message.mine) FitText();
}

// What was typed is all there, so its frame need not be wider.
void MessageView::FitText() {
  text_->ensurePolished();
  const QMargins margins = layout()->contentsMargins();
  const int frame = margins.left() + margins.right() + kSlack;
  setMaximumWidth(text_->fontMetrics().size(0, message_.text).width() + frame);
}

void MessageView::Add(const QString& text, bool thinking) {
  (thinking ? message_.thinking : message_.text) += text;
  changed_ = true;
}

void MessageView::Flush() {
  if (!changed_) return;
  changed_ = false;
  text_->setText(message_.text);
  text_->setVisible(!message_.text.isEmpty());
  thinking_->setText(message_.thinking);
  fold_->setVisible(!message_.thinking.isEmpty());
  const bool still = message_.text.isEmpty() && message_.tokens.empty();
  fold_->setText(still ? tr("Thinking...") : tr("Thoughts"));
}

void MessageView::Finish(const Message& message) {
  message_ = message;
  changed_ = true;
  Flush();
  branch_->setVisible(true);
}

}  // namespace desktop
