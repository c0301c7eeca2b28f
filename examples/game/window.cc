#include "window.h"

#include <stdexcept>

namespace game {
namespace {

constexpr int kScale = 2;

template <typename T>
T* Require(T* made) {
  if (made == nullptr) throw std::runtime_error(SDL_GetError());
  return made;
}

void Require(int result) {
  if (result != 0) throw std::runtime_error(SDL_GetError());
}

}  // namespace

Window::Window() {
  Require(SDL_InitSubSystem(SDL_INIT_VIDEO));
  SDL_SetHint(SDL_HINT_RENDER_SCALE_QUALITY, "nearest");
  window_.reset(Require(
      SDL_CreateWindow("Baleen", SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED,
                       kScale * Canvas::kWidth, kScale * Canvas::kHeight,
                       SDL_WINDOW_RESIZABLE)));
  renderer_.reset(Require(SDL_CreateRenderer(window_.get(), -1, 0)));
  Require(SDL_RenderSetLogicalSize(renderer_.get(), Canvas::kWidth,
                                   Canvas::kHeight));
  texture_.reset(Require(SDL_CreateTexture(
      renderer_.get(), SDL_PIXELFORMAT_ARGB8888, SDL_TEXTUREACCESS_STREAMING,
      Canvas::kWidth, Canvas::kHeight)));
  SDL_StartTextInput();
}

Window::~Window() {
  texture_.reset();
  renderer_.reset();
  window_.reset();
  SDL_QuitSubSystem(SDL_INIT_VIDEO);
}

Window::Input Window::Poll() {
  Input input;
  SDL_Event event;
  while (SDL_PollEvent(&event) != 0) {
    if (event.type == SDL_QUIT) input.quit = true;
    if (event.type == SDL_TEXTINPUT) input.typed += event.text.text;
    if (event.type == SDL_KEYDOWN) {
      const SDL_Keycode key = event.key.keysym.sym;
      if (key == SDLK_ESCAPE) input.quit = true;
      if (key == SDLK_RETURN) input.enter = true;
      if (key == SDLK_BACKSPACE) input.typed = "\b";
    }
  }
  return input;
}

void Window::Show(const Canvas& canvas) {
  constexpr int kPitch = Canvas::kWidth * static_cast<int>(sizeof(Color));
  Require(SDL_UpdateTexture(texture_.get(), nullptr, canvas.pixels(), kPitch));
  Require(SDL_RenderClear(renderer_.get()));
  Require(SDL_RenderCopy(renderer_.get(), texture_.get(), nullptr, nullptr));
  SDL_RenderPresent(renderer_.get());
}

void Window::Save(const std::string& path) {
  int width = 0;
  int height = 0;
  Require(SDL_GetRendererOutputSize(renderer_.get(), &width, &height));
  const std::unique_ptr<SDL_Surface, Destroy> surface(
      Require(SDL_CreateRGBSurfaceWithFormat(0, width, height, 24,
                                             SDL_PIXELFORMAT_RGB24)));
  Require(SDL_RenderReadPixels(renderer_.get(), nullptr, SDL_PIXELFORMAT_RGB24,
                               surface->pixels, surface->pitch));
  Require(SDL_SaveBMP(surface.get(), path.c_str()));
}

}  // namespace game
