// The desktop app: baleen_desktop [MODEL_FOLDER]...
#include <QApplication>

#include "main_window.h"

int main(int argc, char** argv) {
  QApplication application(argc, argv);
  QApplication::setStyle("Fusion");
  QStringList models = QApplication::arguments().mid(1);
  if (models.empty()) models.append(BALEEN_DESKTOP_MODEL);
  desktop::MainWindow window(models);
  window.show();
  return QApplication::exec();
}
