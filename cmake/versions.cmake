# The one place where outside versions are pinned.
set(SLUICE_LLVM_VERSION 19)
