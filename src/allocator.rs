//! An allocator for an instance that lives for one call.
//!
//! The engine throws the instance away with all its memory, and the first touch of a page costs as
//! much as many allocations. So memory is handed out in a row, and small blocks that are given back
//! are kept in a list for each size, to be handed out again. Blocks are never split or joined. The
//! last block grows in place, because a string that grows is the usual last block.
//!
//! The native program has it too, so that profilers see what the module does.
#![expect(unsafe_code, reason = "an allocator is unsafe to implement")]

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicPtr, AtomicUsize};

/// Sizes are rounded up to this; every usual type is aligned to it.
const UNIT: usize = 8;

/// Blocks of up to this many units are kept for their size when they are given back.
const KEPT: usize = 64;

struct Allocator {
    /// The end of what is handed out; 0 before the first time.
    next: AtomicUsize,
    /// The end of what there is.
    end: AtomicUsize,
    /// The blocks that were given back, by their size in units; each holds the next one's address.
    free: [AtomicPtr<u8>; KEPT],
}

#[global_allocator]
static ALLOCATOR: Allocator = Allocator {
    next: AtomicUsize::new(0),
    end: AtomicUsize::new(0),
    free: [const { AtomicPtr::new(null_mut()) }; KEPT],
};

/// The memory of the module.
#[cfg(target_arch = "wasm32")]
mod memory {
    use core::arch::wasm32;

    const PAGE: usize = 1 << 16;

    /// Memory is asked for in steps of this many pages: asking costs more than having.
    const STEP: usize = 16;

    unsafe extern "C" {
        /// Where the linker's data ends; its address is what counts.
        static __heap_base: u8;
    }

    /// Where what can be handed out begins, and where it ends so far.
    pub(super) fn begin() -> (usize, usize) {
        ((&raw const __heap_base).addr(), wasm32::memory_size::<0>().saturating_mul(PAGE))
    }

    /// Adds at least some bytes at the end. Returns the new end.
    pub(super) fn grow(bytes: usize) -> Option<usize> {
        let pages = bytes.div_ceil(PAGE).max(STEP);
        let is_grown = wasm32::memory_grow::<0>(pages) != usize::MAX;
        is_grown.then(|| wasm32::memory_size::<0>().saturating_mul(PAGE))
    }
}

/// A region that stands for the memory of the module.
#[cfg(not(target_arch = "wasm32"))]
mod memory {
    use std::alloc::{GlobalAlloc as _, Layout, System};

    /// As much as a module can have: what nobody touches costs nothing.
    const SIZE: usize = 1 << 32;

    /// Where what can be handed out begins, and where it ends.
    pub(super) fn begin() -> (usize, usize) {
        // SAFETY: the size is not zero.
        let region = unsafe { System.alloc(Layout::new::<[u64; SIZE / 8]>()) };
        let end = if region.is_null() { 0 } else { region.addr().saturating_add(SIZE) };
        (region.expose_provenance(), end)
    }

    pub(super) fn grow(_: usize) -> Option<usize> {
        None
    }
}

impl Allocator {
    /// Makes sure that memory reaches up to an address.
    fn reach(&self, address: usize) -> bool {
        let end = self.end.load(Relaxed);
        if address <= end {
            return true;
        }
        let Some(grown) = memory::grow(address.saturating_sub(end)) else {
            return false;
        };
        self.end.store(grown, Relaxed);
        address <= grown
    }

    /// A block that nobody had before.
    #[inline(never)]
    fn fresh(&self, size: usize, align: usize) -> *mut u8 {
        let mut next = self.next.load(Relaxed);
        if next == 0 {
            let end;
            (next, end) = memory::begin();
            self.end.store(end, Relaxed);
        }
        let block = next.checked_next_multiple_of(align.max(UNIT));
        let after = block.and_then(|block| block.checked_add(size));
        match (block, after) {
            (Some(block), Some(after)) if self.reach(after) => {
                self.next.store(after, Relaxed);
                block as *mut u8
            }
            _ => null_mut(),
        }
    }

    /// The blocks of a size that were given back, where such blocks are kept.
    fn free(&self, size: usize, align: usize) -> Option<&AtomicPtr<u8>> {
        if align > UNIT {
            return None;
        }
        self.free.get((size / UNIT).wrapping_sub(1))
    }

    fn is_last(&self, block: *mut u8, size: usize) -> bool {
        block.addr().wrapping_add(size) == self.next.load(Relaxed)
    }
}

/// The size that a block really has. No layout is so large that this overflows.
fn rounded(size: usize) -> usize {
    size.saturating_add(UNIT - 1) & !(UNIT - 1)
}

// SAFETY: a block is memory that was never handed out, or one that was given back with the same
// size; both at the alignment that is asked for. There is one thread.
unsafe impl GlobalAlloc for Allocator {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let size = rounded(layout.size());
        if let Some(free) = self.free(size, layout.align()) {
            let block = free.load(Relaxed);
            if !block.is_null() {
                // SAFETY: a free block holds the address of the next one.
                free.store(unsafe { block.cast::<*mut u8>().read() }, Relaxed);
                return block;
            }
        }
        self.fresh(size, layout.align())
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let size = rounded(layout.size());
        if self.is_last(block, size) {
            self.next.store(block.addr(), Relaxed);
        } else if let Some(free) = self.free(size, layout.align()) {
            // SAFETY: the block is nobody's, and a unit has room for an address.
            unsafe { block.cast::<*mut u8>().write(free.load(Relaxed)) };
            free.store(block, Relaxed);
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (old, new) = (rounded(layout.size()), rounded(size));
        if self.is_last(block, old) {
            let Some(after) = block.addr().checked_add(new) else {
                return null_mut();
            };
            if !self.reach(after) {
                return null_mut();
            }
            self.next.store(after, Relaxed);
            return block;
        }
        if new <= old {
            return block;
        }
        // SAFETY: the alignment was valid before; the new block is larger than the old.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                block.copy_to_nonoverlapping(moved, layout.size());
                self.dealloc(block, layout);
            }
            moved
        }
    }
}
