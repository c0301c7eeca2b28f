#include "main_window.h"

#include <algorithm>
#include <map>
#include <utility>

#include <QAction>
#include <QCheckBox>
#include <QComboBox>
#include <QDir>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QPlainTextEdit>
#include <QProgressBar>
#include <QPushButton>
#include <QScrollArea>
#include <QScrollBar>
#include <QSpinBox>
#include <QSplitter>
#include <QStatusBar>
#include <QToolBar>
#include <QTreeWidget>
#include <QVBoxLayout>

namespace desktop {
namespace {

constexpr int kFlushMilliseconds = 33;
constexpr int kMostTokens = 1000;  // Of an answer, to begin with.

constexpr const char* kStyle = R"(
  QMainWindow, QScrollArea, #chat, #messages { background: #f6f7fa; }
  #sidebar { background: #e9edf4; }
  #question { background: #2f6fde; border-radius: 10px; }
  #question QLabel { color: white; }
  #answer { background: white; border: 1px solid #dde2ec;
            border-radius: 10px; }
  #answer QLabel { color: #20242e; }
  #answer #thinking { color: #6b7385; border-left: 3px solid #c9d2e3;
                      padding-left: 8px; }
  #fold, #branch { border: none; color: #5a6b8c; }
  #branch:hover, #fold:hover { color: #2f6fde; }
  QPlainTextEdit { background: white; border: 1px solid #ccd3e0;
                   border-radius: 8px; padding: 4px; }
  QTreeWidget { background: transparent; border: none; }
  QTreeWidget::item { padding: 3px; }
  QStatusBar QLabel { padding: 2px 8px; }
  QStatusBar::item { border: none; }
)";

QString NameOf(const QString& model) { return QDir(model).dirName(); }

}  // namespace

MainWindow::MainWindow(const QStringList& models) : engine_(new Engine) {
  setWindowTitle("Baleen");
  setStyleSheet(kStyle);
  resize(980, 680);
  auto* splitter = new QSplitter(this);
  auto* sidebar = new QWidget(splitter);
  auto* chat = new QWidget(splitter);
  splitter->setStretchFactor(1, 1);
  splitter->setSizes({230, 750});
  splitter->setChildrenCollapsible(false);
  setCentralWidget(splitter);
  BuildSidebar(sidebar);
  BuildChat(chat);
  BuildStatusBar();

  qRegisterMetaType<desktop::Outcome>();
  engine_->moveToThread(&thread_);
  connect(&thread_, &QThread::finished, engine_, &QObject::deleteLater);
  ConnectEngine();
  thread_.start();

  flush_timer_.setInterval(kFlushMilliseconds);
  connect(&flush_timer_, &QTimer::timeout, this, [this] {
    if (streaming_ != nullptr) streaming_->Flush();
  });
  for (const QString& model : models) models_->addItem(NameOf(model), model);
  models_->addItem(tr("Choose a folder..."));
  models_->addItem(tr("Choose a packed file..."));
  connect(models_, &QComboBox::activated, this, &MainWindow::ChooseModel);
  SetBusy(true, tr("There is no model."));
  if (!models.empty()) LoadModel(models.front());
}

MainWindow::~MainWindow() {
  engine_->Stop();
  thread_.quit();
  thread_.wait();
}

void MainWindow::BuildSidebar(QWidget* sidebar) {
  sidebar->setObjectName("sidebar");
  models_ = new QComboBox(sidebar);
  models_->setObjectName("models");
  thinking_ = new QCheckBox(tr("Think first"), sidebar);
  thinking_->setObjectName("think");
  most_tokens_ = new QSpinBox(sidebar);
  most_tokens_->setObjectName("most");
  most_tokens_->setRange(1, 100000);
  most_tokens_->setValue(kMostTokens);
  most_tokens_->setPrefix(tr("at most "));
  most_tokens_->setSuffix(tr(" tokens"));
  new_ = new QPushButton(tr("New conversation"), sidebar);
  new_->setObjectName("new");
  tree_ = new QTreeWidget(sidebar);
  tree_->setObjectName("branches");
  tree_->setHeaderHidden(true);
  auto* layout = new QVBoxLayout(sidebar);
  layout->addWidget(new QLabel(tr("Model"), sidebar));
  layout->addWidget(models_);
  layout->addWidget(thinking_);
  layout->addWidget(most_tokens_);
  layout->addSpacing(8);
  layout->addWidget(new QLabel(tr("Branches"), sidebar));
  layout->addWidget(tree_, 1);
  layout->addWidget(new_);
  connect(new_, &QPushButton::clicked, this, &MainWindow::NewConversation);
  connect(tree_, &QTreeWidget::itemClicked, this,
          [this](QTreeWidgetItem* item) {
            if (ready_) Show(item->data(0, Qt::UserRole).toInt());
          });

  QToolBar* tools = addToolBar(tr("Conversation"));
  tools->setMovable(false);
  open_ = tools->addAction(tr("Open..."), this, &MainWindow::AskWhatToOpen);
  open_->setShortcut(QKeySequence::Open);
  save_ = tools->addAction(tr("Save..."), this, &MainWindow::AskWhereToSave);
  save_->setShortcut(QKeySequence::Save);
}

void MainWindow::BuildChat(QWidget* chat) {
  chat->setObjectName("chat");
  scroll_ = new QScrollArea(chat);
  scroll_->setFrameShape(QFrame::NoFrame);
  scroll_->setWidgetResizable(true);
  ClearViews();
  // Stays at the end of the conversation while it grows.
  connect(
      scroll_->verticalScrollBar(), &QScrollBar::rangeChanged, this,
      [this](int, int end) { scroll_->verticalScrollBar()->setValue(end); });

  input_ = new QPlainTextEdit(chat);
  input_->setObjectName("input");
  input_->setPlaceholderText(tr("Say something; Enter sends it"));
  input_->setFixedHeight(64);
  input_->installEventFilter(this);
  send_ = new QPushButton(tr("Send"), chat);
  send_->setObjectName("send");
  stop_ = new QPushButton(tr("Stop"), chat);
  stop_->setObjectName("stop");
  connect(send_, &QPushButton::clicked, this, &MainWindow::Send);
  // Not posted: the engine's thread is busy with what is to be stopped.
  connect(stop_, &QPushButton::clicked, this, [this] { engine_->Stop(); });
  auto* buttons = new QVBoxLayout;
  buttons->addWidget(send_);
  buttons->addWidget(stop_);
  auto* below = new QHBoxLayout;
  below->addWidget(input_, 1);
  below->addLayout(buttons);
  auto* layout = new QVBoxLayout(chat);
  layout->addWidget(scroll_, 1);
  layout->addLayout(below);
}

void MainWindow::BuildStatusBar() {
  state_ = new QLabel(this);
  state_->setObjectName("state");
  progress_ = new QProgressBar(this);
  progress_->setObjectName("progress");
  progress_->setMaximumWidth(200);
  progress_->setMaximumHeight(14);
  progress_->hide();
  speed_ = new QLabel(this);
  speed_->setObjectName("speed");
  memory_ = new QLabel(this);
  memory_->setObjectName("memory");
  statusBar()->addWidget(state_, 1);
  statusBar()->addPermanentWidget(progress_);
  statusBar()->addPermanentWidget(speed_);
  statusBar()->addPermanentWidget(memory_);
}

void MainWindow::ConnectEngine() {
  connect(engine_, &Engine::Loaded, this,
          [this](const QString& name, qint64 parameters) {
            loaded_model_ = conversation_.model;
            models_->setToolTip(name + tr(", %L1 parameters").arg(parameters));
            NewConversation();
          });
  connect(engine_, &Engine::LoadFailed, this, [this](const QString& reason) {
    ShowTrouble(reason);
    conversation_.model = loaded_model_;
    models_->setCurrentIndex(models_->findData(loaded_model_));
  });
  connect(engine_, &Engine::Progress, this, [this](qint64 done, qint64 total) {
    progress_->setVisible(done < total);
    // In thousandths, since a model has more bytes than an int.
    progress_->setRange(0, 1000);
    progress_->setValue(
        static_cast<int>(1000 * done / std::max<qint64>(total, 1)));
  });
  connect(engine_, &Engine::Piece, this,
          [this](const QString& text, bool thinking, double speed) {
            if (streaming_ == nullptr) return;
            progress_->hide();
            state_->setText(thinking ? tr("Thinking") : tr("Answering"));
            streaming_->show();
            streaming_->Add(text, thinking);
            speed_->setText(tr("%1 tokens/s").arg(speed, 0, 'f', 0));
          });
  connect(engine_, &Engine::Answered, this, &MainWindow::FinishAnswer);
  connect(engine_, &Engine::Failed, this, [this](const QString& reason) {
    if (streaming_ != nullptr) {
      Outcome outcome;
      outcome.taken_back = true;
      FinishAnswer(outcome);
    }
    ShowTrouble(reason);
  });
  connect(engine_, &Engine::Saved, this, [this](const QString& reason) {
    SetBusy(false, tr("Saved"));
    if (!reason.isEmpty()) ShowTrouble(reason);
  });
  connect(engine_, &Engine::Restored, this, &MainWindow::FinishRestore);
  connect(engine_, &Engine::MemoryChanged, this, [this](qint64 bytes) {
    memory_->setText(
        tr("%1 MB").arg(static_cast<double>(bytes) / 1e6, 0, 'f', 1));
  });
}

bool MainWindow::eventFilter(QObject* object, QEvent* event) {
  if (object == input_ && event->type() == QEvent::KeyPress) {
    const auto* key = static_cast<QKeyEvent*>(event);
    const bool enter =
        key->key() == Qt::Key_Return || key->key() == Qt::Key_Enter;
    if (enter && !(key->modifiers() & Qt::ShiftModifier)) {
      Send();
      return true;
    }
  }
  return QMainWindow::eventFilter(object, event);
}

void MainWindow::SetBusy(bool busy, const QString& what) {
  ready_ = !busy;
  state_->setText(what);
  if (!busy) progress_->hide();
  const std::initializer_list<QWidget*> widgets = {models_, thinking_, tree_,
                                                   new_, send_};
  for (QWidget* widget : widgets) widget->setEnabled(!busy);
  save_->setEnabled(!busy);
  open_->setEnabled(!busy);
  stop_->setEnabled(streaming_ != nullptr);
}

void MainWindow::ShowTrouble(const QString& reason) { SetBusy(false, reason); }

void MainWindow::ChooseModel(int index) {
  QString path = models_->itemData(index).toString();
  if (path.isEmpty()) {
    const int file = models_->count() - 1;
    path = index == file
               ? QFileDialog::getOpenFileName(this, tr("Packed model"))
               : QFileDialog::getExistingDirectory(this,
                                                   tr("Folder of the model"));
    if (path.isEmpty()) {
      models_->setCurrentIndex(models_->findData(loaded_model_));
      return;
    }
    models_->insertItem(file - 1, NameOf(path), path);
    models_->setCurrentIndex(file - 1);
  }
  if (path != loaded_model_) LoadModel(path);
}

void MainWindow::LoadModel(const QString& path) {
  SetBusy(true, tr("Loading %1").arg(path));
  conversation_.model = path;
  Post([engine = engine_, path] { engine->Load(path); });
}

void MainWindow::NewConversation() {
  // Tokens are a model's own, so a conversation stays with its model.
  conversation_.branches = {{1, 0, tr("Conversation"), {}}};
  Post([engine = engine_] { engine->AddBranch(1, 0, 0); });
  RebuildTree();
  Show(1);
  SetBusy(false, tr("Ready"));
}

void MainWindow::Send() {
  const QString text = input_->toPlainText().trimmed();
  if (!ready_ || loaded_model_.isEmpty() || text.isEmpty()) return;
  Message question;
  question.mine = true;
  question.text = text;
  current().messages.push_back(question);
  AddView(question);
  input_->clear();
  streaming_ = AddView(Message());
  streaming_->hide();  // Until there is a word.
  flush_timer_.start();
  speed_->clear();
  SetBusy(true, tr("Reading"));
  Post([engine = engine_, branch = current(), thinking = thinking_->isChecked(),
        most = most_tokens_->value()] {
    engine->Answer(branch, thinking, most);
  });
}

void MainWindow::FinishAnswer(const Outcome& outcome) {
  outcome_ = outcome;
  flush_timer_.stop();
  MessageView* view = std::exchange(streaming_, nullptr);
  if (outcome.taken_back) {
    // The question goes back to where it was typed.
    input_->setPlainText(current().messages.back().text);
    current().messages.pop_back();
    Show(current().id);
    SetBusy(false, tr("Stopped; the question was taken back"));
    return;
  }
  view->show();
  view->Finish(outcome.message);
  current().messages.push_back(outcome.message);
  speed_->setText(tr("%1 tokens, %2 tokens/s")
                      .arg(outcome.answer_tokens)
                      .arg(outcome.tokens_per_second, 0, 'f', 0));
  SetBusy(false, outcome.stopped ? tr("Stopped")
                 : outcome.full  ? tr("There is no room for more")
                                 : tr("Ready"));
  const size_t count = current().messages.size();
  connect(view, &MessageView::BranchWanted, this,
          [this, count] { BranchAt(count); });
}

void MainWindow::BranchAt(size_t count) {
  if (!ready_) return;
  Branch branch = current();
  branch.parent = branch.id;
  branch.id = 1;
  for (const Branch& other : conversation_.branches) {
    branch.id = std::max(branch.id, other.id + 1);
  }
  branch.name = tr("Branch %1").arg(branch.id);
  branch.messages.resize(count);
  Post([engine = engine_, id = branch.id, parent = branch.parent, count] {
    engine->AddBranch(id, parent, count);
  });
  conversation_.branches.push_back(branch);
  RebuildTree();
  Show(branch.id);
  state_->setText(tr("A branch of its own: ask something else"));
}

MessageView* MainWindow::AddView(const Message& message) {
  auto* view = new MessageView(message, scroll_->widget());
  auto* row = new QHBoxLayout;
  if (message.mine) row->addStretch(1);
  row->addWidget(view, 4);
  if (!message.mine) row->addStretch(1);
  messages_->insertLayout(messages_->count() - 1, row);
  return view;
}

// The old list is deleted later: one of its buttons may have asked for this.
void MainWindow::ClearViews() {
  if (QWidget* old = scroll_->takeWidget()) old->deleteLater();
  auto* list = new QWidget(scroll_);
  list->setObjectName("messages");
  messages_ = new QVBoxLayout(list);
  messages_->setSpacing(10);
  messages_->addStretch(1);
  scroll_->setWidget(list);
}

void MainWindow::Show(int id) {
  conversation_.current = id;
  ClearViews();
  for (size_t i = 0; i < current().messages.size(); ++i) {
    MessageView* view = AddView(current().messages[i]);
    connect(view, &MessageView::BranchWanted, this,
            [this, i] { BranchAt(i + 1); });
  }
  for (QTreeWidgetItemIterator item(tree_); *item != nullptr; ++item) {
    if ((*item)->data(0, Qt::UserRole) == id) tree_->setCurrentItem(*item);
  }
  input_->setFocus();
}

void MainWindow::RebuildTree() {
  tree_->clear();
  std::map<int, QTreeWidgetItem*> items;
  for (const Branch& branch : conversation_.branches) {
    const auto parent = items.find(branch.parent);
    auto* item = parent == items.end() ? new QTreeWidgetItem(tree_)
                                       : new QTreeWidgetItem(parent->second);
    item->setText(0, branch.name);
    item->setData(0, Qt::UserRole, branch.id);
    items[branch.id] = item;
  }
  tree_->expandAll();
}

void MainWindow::AskWhereToSave() {
  const QString folder = QFileDialog::getSaveFileName(
      this, tr("Save the conversation as a folder"));
  if (!folder.isEmpty()) SaveTo(folder);
}

void MainWindow::AskWhatToOpen() {
  const QString folder = QFileDialog::getExistingDirectory(
      this, tr("Folder of a saved conversation"));
  if (!folder.isEmpty()) OpenFrom(folder);
}

void MainWindow::SaveTo(const QString& folder) {
  conversation_.thinking = thinking_->isChecked();
  SetBusy(true, tr("Saving"));
  Post([engine = engine_, conversation = conversation_, folder] {
    engine->Save(conversation, folder);
  });
}

void MainWindow::OpenFrom(const QString& folder) {
  Conversation read;
  const QString trouble =
      ReadConversation(QDir(folder).filePath("conversation.json"), &read);
  if (!trouble.isEmpty()) return ShowTrouble(trouble);
  if (read.model != loaded_model_) {
    return ShowTrouble(tr("This conversation is with the model %1; choose it "
                          "first.")
                           .arg(read.model));
  }
  conversation_ = read;
  thinking_->setChecked(read.thinking);
  RebuildTree();
  Show(read.current);
  SetBusy(true, tr("Opening"));
  Post([engine = engine_, read, folder] { engine->Restore(read, folder); });
}

void MainWindow::FinishRestore(int count) {
  const auto all = static_cast<int>(conversation_.branches.size());
  SetBusy(false, count == all
                     ? tr("Opened, with all that was read")
                     : tr("Opened; %1 of %2 branches will be read anew")
                           .arg(all - count)
                           .arg(all));
}

}  // namespace desktop
