// The window that shows the canvas, by SDL: enlarged, with the keyboard.
#pragma once

#include <memory>
#include <string>

#include <SDL.h>

#include "canvas.h"

namespace game {

class Window {
 public:
  // What happened since the last picture.
  struct Input {
    bool quit = false;
    bool enter = false;
    std::string typed;  // "\b" for the backspace key.
  };

  // Throws std::runtime_error if there is no window to be had.
  Window();
  ~Window();
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  Input Poll();
  void Show(const Canvas& canvas);
  // Writes what the window shows to a BMP file.
  void Save(const std::string& path);

 private:
  struct Destroy {
    void operator()(SDL_Window* window) const { SDL_DestroyWindow(window); }
    void operator()(SDL_Renderer* renderer) const {
      SDL_DestroyRenderer(renderer);
    }
    void operator()(SDL_Texture* texture) const { SDL_DestroyTexture(texture); }
    void operator()(SDL_Surface* surface) const { SDL_FreeSurface(surface); }
  };

  std::unique_ptr<SDL_Window, Destroy> window_;
  std::unique_ptr<SDL_Renderer, Destroy> renderer_;
  std::unique_ptr<SDL_Texture, Destroy> texture_;
};

}  // namespace game
