// Drives the real window as a person would: types, sends, stops, branches,
// saves and opens again.
//
// Answers are sampled and differ from run to run, so what is checked is what
// the window does with them.  Where a test must catch the engine at work, it holds
// the engine's thread at a signal, so that no speed of a machine matters.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include <baleen/baleen.h>

#include <QApplication>
#include <QCheckBox>
#include <QComboBox>
#include <QElapsedTimer>
#include <QFile>
#include <QFileDialog>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QProgressBar>
#include <QPushButton>
#include <QSemaphore>
#include <QSpinBox>
#include <QTemporaryDir>
#include <QTest>
#include <QTimer>
#include <QToolButton>
#include <QTreeWidget>

#include "gtest/gtest.h"
#include "main_window.h"

namespace desktop {
namespace {

constexpr int kPatience = 60000;  // Milliseconds, of a machine that is busy.
const QString kPocket = BALEEN_TEST_DATA "/pocket";

class DesktopTest : public testing::Test {
 protected:
  void SetUp() override { Start({kPocket}); }

  void Start(const QStringList& models) {
    window_ = std::make_unique<MainWindow>(models);
    window_->show();
    ASSERT_TRUE(QTest::qWaitForWindowExposed(window_.get()));
    ASSERT_TRUE(WaitReady());
    Find<QSpinBox>("most")->setValue(60);
  }

  bool WaitReady() {
    return QTest::qWaitFor([this] { return window_->ready(); }, kPatience);
  }

  template <typename Widget>
  Widget* Find(const char* name) {
    auto* widget = window_->findChild<Widget*>(name);
    EXPECT_NE(widget, nullptr) << name;
    return widget;
  }

  QString State() { return Find<QLabel>("state")->text(); }
  QPlainTextEdit* Input() { return Find<QPlainTextEdit>("input"); }

  void Ask(const QString& question) {
    QTest::keyClicks(Input(), question);
    QTest::keyClick(Input(), Qt::Key_Return);
  }

  void AskAndWait(const QString& question) {
    Ask(question);
    EXPECT_FALSE(window_->ready());
    ASSERT_TRUE(WaitReady());
  }

  // The views of the list that is shown now.
  QList<MessageView*> Views() {
    QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
    return window_->findChildren<MessageView*>();
  }

  size_t MessageCount() {
    const Conversation& conversation = window_->conversation();
    for (const Branch& branch : conversation.branches) {
      if (branch.id == conversation.current) return branch.messages.size();
    }
    return 0;
  }

  std::unique_ptr<MainWindow> window_;
};

TEST_F(DesktopTest, AnswersWhatIsTyped) {
  AskAndWait("Tell me about the sea and the whale.");
  EXPECT_EQ(MessageCount(), 2u);
  ASSERT_EQ(Views().size(), 2);
  EXPECT_EQ(Views()[0]->text(), "Tell me about the sea and the whale.");
  EXPECT_EQ(Views()[1]->findChild<QLabel*>("text")->text(), Views()[1]->text());
  EXPECT_GT(window_->last_outcome().answer_tokens, 0);
  EXPECT_TRUE(Find<QLabel>("speed")->text().contains("tokens/s"));
  EXPECT_GT(Find<QLabel>("memory")->text().split(' ')[0].toDouble(), 10);
  EXPECT_EQ(State(), "Ready");

  // The second turn reads only what is new.
  AskAndWait("Who is the king of Israel?");
  EXPECT_EQ(MessageCount(), 4u);
  EXPECT_GT(window_->last_outcome().reused_tokens, 0);
  EXPECT_LT(window_->last_outcome().prompt_tokens, 40);
}

TEST_F(DesktopTest, ShowsWordsWhileTheyComeAndStopsWhenAsked) {
  // After the first word the engine waits for the stop button.
  QSemaphore heard;
  QSemaphore stopped;
  const auto hold = QObject::connect(
      window_->engine(), &Engine::Piece, window_->engine(),
      [&] {
        if (heard.available() > 0) return;
        heard.release();
        stopped.acquire();
      },
      Qt::DirectConnection);
  Ask("Tell me about the sea and the whale.");
  ASSERT_TRUE(QTest::qWaitFor(
      [&] { return State() == "Answering" && Views().size() == 2; },
      kPatience));
  ASSERT_TRUE(QTest::qWaitFor(
      [&] { return !Views()[1]->findChild<QLabel*>("text")->text().isEmpty(); },
      kPatience));
  // The engine stands still, and one can type.
  QTest::keyClicks(Input(), "typed meanwhile");
  EXPECT_EQ(Input()->toPlainText(), "typed meanwhile");
  QTest::keyClick(Input(), Qt::Key_Return);
  EXPECT_EQ(MessageCount(), 1u) << "one question at a time";
  QTest::mouseClick(Find<QPushButton>("stop"), Qt::LeftButton);
  stopped.release();
  ASSERT_TRUE(WaitReady());
  EXPECT_EQ(State(), "Stopped");
  EXPECT_TRUE(window_->last_outcome().stopped);
  EXPECT_LE(window_->last_outcome().answer_tokens, 8);
  EXPECT_EQ(MessageCount(), 2u);
  QObject::disconnect(hold);

  // What came so far stays, and the conversation goes on.
  Input()->clear();
  AskAndWait("Go on.");
  EXPECT_EQ(MessageCount(), 4u);
}

TEST_F(DesktopTest, ShowsHowFarALongPromptIsReadAndTakesItBack) {
  QFile file(BALEEN_TEST_DATA "/pocket/heldout.txt");
  ASSERT_TRUE(file.open(QIODevice::ReadOnly));
  const QString text = QString::fromUtf8(file.read(6000)).trimmed();
  int beats = 0;
  qint64 longest = 0;
  QElapsedTimer since;
  QTimer heart;
  QObject::connect(&heart, &QTimer::timeout, [&] {
    ++beats;
    longest = std::max(longest, since.restart());
  });
  // The engine waits at the third report of progress until the stop button has
  // been pressed.
  QSemaphore held;
  QSemaphore stopped;
  int reports = 0;
  const auto hold = QObject::connect(
      window_->engine(), &Engine::Progress, window_->engine(),
      [&] {
        if (++reports != 3) return;
        held.release();
        stopped.acquire();
      },
      Qt::DirectConnection);
  Input()->setPlainText(text);
  since.start();
  heart.start(5);
  QTest::keyClick(Input(), Qt::Key_Return);
  auto* progress = Find<QProgressBar>("progress");
  ASSERT_TRUE(QTest::qWaitFor(
      [&] {
        return held.available() > 0 && progress->isVisible() &&
               progress->value() > 0;
      },
      kPatience));
  EXPECT_LT(progress->value(), progress->maximum());
  QTest::qWait(50);
  EXPECT_GE(beats, 3);
  QTest::mouseClick(Find<QPushButton>("stop"), Qt::LeftButton);
  stopped.release();
  ASSERT_TRUE(WaitReady());
  QObject::disconnect(hold);
  EXPECT_TRUE(window_->last_outcome().taken_back);
  EXPECT_EQ(Input()->toPlainText(), text);
  EXPECT_EQ(MessageCount(), 0u);
  EXPECT_FALSE(progress->isVisible());

  // Sent again, it goes on from where it was stopped.
  QTest::keyClick(Input(), Qt::Key_Return);
  ASSERT_TRUE(WaitReady());
  EXPECT_EQ(MessageCount(), 2u);
  EXPECT_GT(window_->last_outcome().reused_tokens, 100);
  std::printf("longest time between two beats of 5 ms: %lld ms\n",
              static_cast<long long>(longest));
}

TEST_F(DesktopTest, FoldsThoughts) {
  Find<QCheckBox>("think")->setChecked(true);
  AskAndWait("Call me Ishmael.");
  MessageView* answer = Views()[1];
  ASSERT_FALSE(answer->thinking().isEmpty());
  auto* thoughts = answer->findChild<QLabel*>("thinking");
  auto* fold = answer->findChild<QToolButton*>("fold");
  EXPECT_EQ(thoughts->text(), answer->thinking());
  EXPECT_TRUE(fold->isVisible());
  EXPECT_FALSE(thoughts->isVisible());
  QTest::mouseClick(fold, Qt::LeftButton);
  EXPECT_TRUE(thoughts->isVisible());
  QTest::mouseClick(fold, Qt::LeftButton);
  EXPECT_FALSE(thoughts->isVisible());
}

TEST_F(DesktopTest, BranchesAreSavedAndOpenedWithTheirStates) {
  Find<QSpinBox>("most")->setValue(120);
  AskAndWait("Tell me about the sea and the whale.");
  AskAndWait("And the captain?");
  // A branch after the first answer, which knows nothing of the captain.
  QTest::mouseClick(Views()[1]->findChild<QToolButton*>("branch"),
                    Qt::LeftButton);
  ASSERT_EQ(window_->conversation().branches.size(), 2u);
  EXPECT_EQ(window_->conversation().current, 2);
  EXPECT_EQ(MessageCount(), 2u);
  ASSERT_TRUE(WaitReady());
  AskAndWait("Who is the king of Israel?");
  EXPECT_EQ(MessageCount(), 4u);
  EXPECT_GT(window_->last_outcome().reused_tokens, 20);
  EXPECT_LT(window_->last_outcome().prompt_tokens, 40)
      << "the branch has what its parent had read";
  Find<QCheckBox>("think")->setChecked(true);
  QTemporaryDir folder;
  const QString path = folder.filePath("talk");
  window_->SaveTo(path);
  ASSERT_TRUE(WaitReady());
  ASSERT_EQ(State(), "Saved");
  const Conversation saved = window_->conversation();

  Start({kPocket});
  window_->OpenFrom(path);
  ASSERT_TRUE(WaitReady());
  EXPECT_EQ(State(), "Opened, with all that was read");
  ASSERT_EQ(window_->conversation().branches.size(), 2u);
  EXPECT_EQ(Views().size(), 4);
  EXPECT_TRUE(Find<QCheckBox>("think")->isChecked());
  EXPECT_EQ(Views()[3]->text(), saved.branches[1].messages[3].text);
  AskAndWait("And then?");
  EXPECT_LT(window_->last_outcome().prompt_tokens, 40);
  EXPECT_GT(window_->last_outcome().reused_tokens, 40);
  QTest::qWait(50);  // For the layout.
  ASSERT_TRUE(window_->grab().save(BALEEN_DESKTOP_PICTURE));

  // The other branch, by a click on it.
  auto* tree = Find<QTreeWidget>("branches");
  QTreeWidgetItem* first = tree->topLevelItem(0);
  ASSERT_EQ(first->childCount(), 1);
  QTest::mouseClick(tree->viewport(), Qt::LeftButton, Qt::KeyboardModifiers(),
                    tree->visualItemRect(first).center());
  EXPECT_EQ(window_->conversation().current, 1);
  EXPECT_EQ(MessageCount(), 4u);
  AskAndWait("And then?");
  EXPECT_LT(window_->last_outcome().prompt_tokens, 40);
}

TEST_F(DesktopTest, LivesOnWithoutWhatItCannotOpen) {
  window_->OpenFrom("/nowhere");
  EXPECT_TRUE(State().contains("/nowhere/conversation.json"))
      << State().toStdString();

  Start({kPocket, "/no/such/model"});
  auto* models = Find<QComboBox>("models");
  models->setCurrentIndex(1);
  Q_EMIT models->activated(1);
  ASSERT_TRUE(QTest::qWaitFor(
      [&] { return State().contains("/no/such/model has"); }, kPatience))
      << State().toStdString();
  EXPECT_EQ(models->currentIndex(), 0);
  AskAndWait("Are you still there?");
  EXPECT_EQ(MessageCount(), 2u);
}

// Writes the pocket model to one file.
bool Pack(const QString& path) {
  baleen_context* context = nullptr;
  const bool packed =
      baleen_context_create(nullptr, &context, nullptr) == BALEEN_OK &&
      baleen_model_pack(context, kPocket.toUtf8().constData(),
                        path.toUtf8().constData(), nullptr,
                        nullptr) == BALEEN_OK;
  baleen_context_release(context);
  return packed;
}

TEST_F(DesktopTest, OpensAModelInOneFile) {
  const QTemporaryDir folder;
  const QString path = folder.filePath("app.baleen");
  ASSERT_TRUE(Pack(path));
  QApplication::setAttribute(Qt::AA_DontUseNativeDialogs);
  // Answers the question for the file, which waits for that.
  QTimer::singleShot(0, [&] {
    ASSERT_TRUE(QTest::qWaitFor(
        [] { return QApplication::activeModalWidget() != nullptr; },
        kPatience));
    auto* dialog =
        qobject_cast<QFileDialog*>(QApplication::activeModalWidget());
    ASSERT_NE(dialog, nullptr);
    auto* name = dialog->findChild<QLineEdit*>("fileNameEdit");
    ASSERT_NE(name, nullptr);
    name->setText(path);
    QTest::keyClick(name, Qt::Key_Return);
  });
  auto* models = Find<QComboBox>("models");
  models->setCurrentIndex(models->count() - 1);
  Q_EMIT models->activated(models->count() - 1);
  EXPECT_EQ(models->currentText(), "app.baleen");
  ASSERT_TRUE(WaitReady());
  AskAndWait("Tell me about the sea.");
  EXPECT_EQ(MessageCount(), 2u);
  EXPECT_EQ(window_->conversation().model, path);
}

// Closing the window ends what the engine is doing.
TEST_F(DesktopTest, ClosesInTheMiddleOfAnAnswer) {
  Ask("Tell me about the sea and the whale.");
  window_.reset();
}

}  // namespace
}  // namespace desktop

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  QApplication application(argc, argv);
  QApplication::setStyle("Fusion");
  return RUN_ALL_TESTS();
}
