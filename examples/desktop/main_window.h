// The chat window.
//
// It shows a conversation and never computes: what takes time is posted to the
// engine's thread, and signals bring back what came of it.
#pragma once

#include <QMainWindow>
#include <QStringList>
#include <QThread>
#include <QTimer>

#include "conversation.h"
#include "engine.h"
#include "message_view.h"

class QAction;
class QCheckBox;
class QComboBox;
class QLabel;
class QPlainTextEdit;
class QProgressBar;
class QPushButton;
class QScrollArea;
class QSpinBox;
class QTreeWidget;
class QTreeWidgetItem;
class QVBoxLayout;

namespace desktop {

class MainWindow : public QMainWindow {
  Q_OBJECT

 public:
  // The folders to choose from; the first is loaded.
  explicit MainWindow(const QStringList& models);
  ~MainWindow() override;

  // A saved conversation is a folder: its text, and the state of each branch.
  void SaveTo(const QString& folder);
  void OpenFrom(const QString& folder);

  // Nothing is going on, and there is a model.
  bool ready() const { return ready_; }
  const Outcome& last_outcome() const { return outcome_; }
  const Conversation& conversation() const { return conversation_; }
  Engine* engine() { return engine_; }

 protected:
  bool eventFilter(QObject* object, QEvent* event) override;

 private:
  void BuildSidebar(QWidget* sidebar);
  void BuildChat(QWidget* chat);
  void BuildStatusBar();
  void ConnectEngine();

  // Posts a call to the engine's thread.
  template <typename Call>
  void Post(Call call) {
    QMetaObject::invokeMethod(engine_, call, Qt::QueuedConnection);
  }

  void ChooseModel(int index);
  void LoadModel(const QString& path);
  void NewConversation();
  void Send();
  // A branch that ends with message `count` - 1 of the current one.
  void BranchAt(size_t count);
  void Show(int id);
  void AskWhereToSave();
  void AskWhatToOpen();

  void FinishAnswer(const Outcome& outcome);
  void FinishRestore(int count);
  void SetBusy(bool busy, const QString& what);
  void ShowTrouble(const QString& reason);
  void RebuildTree();
  MessageView* AddView(const Message& message);
  void ClearViews();
  Branch& current() { return *conversation_.Find(conversation_.current); }

  QThread thread_;
  Engine* engine_;  // Lives on thread_.

  Conversation conversation_;
  Outcome outcome_;
  QString loaded_model_;  // Empty: none.
  bool ready_ = false;
  MessageView* streaming_ = nullptr;
  QTimer flush_timer_;

  QComboBox* models_;
  QCheckBox* thinking_;
  QSpinBox* most_tokens_;
  QTreeWidget* tree_;
  QScrollArea* scroll_;
  QVBoxLayout* messages_;
  QPlainTextEdit* input_;
  QPushButton* send_;
  QPushButton* stop_;
  QPushButton* new_;
  QAction* save_;
  QAction* open_;
  QLabel* state_;
  QProgressBar* progress_;
  QLabel* speed_;
  QLabel* memory_;
};

}  // namespace desktop
