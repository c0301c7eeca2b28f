module baleen

go 1.19
