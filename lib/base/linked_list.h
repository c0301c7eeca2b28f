// A list whose elements have their neighbors in themselves, so that joining and
// leaving it take no memory and cannot fail.  Not thread-safe.
#pragma once

namespace baleen {

template <typename T>
class LinkedList;

// What T is derived from.
template <typename T>
class Linked {
 private:
  friend class LinkedList<T>;
  T* next_ = nullptr;
  T* previous_ = nullptr;
};

template <typename T>
class LinkedList {
 public:
  LinkedList() = default;
  LinkedList(const LinkedList&) = delete;
  LinkedList& operator=(const LinkedList&) = delete;

  // The one that joined last; NULL if there is none.
  T* first() const { return first_; }
  // The one that joined before.
  static T* Next(const T* one) { return Links(one).next_; }

  // REQUIRES: it is in no list.
  void Add(T* one) {
    Links(one).next_ = first_;
    if (first_ != nullptr) Links(first_).previous_ = one;
    first_ = one;
  }

  // REQUIRES: it is in this list.
  void Remove(T* one) {
    Linked<T>& links = Links(one);
    if (links.previous_ != nullptr) Links(links.previous_).next_ = links.next_;
    if (links.next_ != nullptr) Links(links.next_).previous_ = links.previous_;
    if (first_ == one) first_ = links.next_;
    links = {};
  }

 private:
  static Linked<T>& Links(T* one) { return *one; }
  static const Linked<T>& Links(const T* one) { return *one; }

  T* first_ = nullptr;
};

}  // namespace baleen
