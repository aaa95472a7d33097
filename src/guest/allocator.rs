//! An allocator for an instance that lives for one call.
//!
//! The engine throws the instance away with all its memory, so nothing needs to be found again:
//! memory is handed out in a row. Two cases are worth a look, because growing strings and vectors
//! are most of what is allocated: the last block grows in place, and gives its memory back.
#![expect(unsafe_code, reason = "an allocator is unsafe to implement")]

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A page of WebAssembly memory.
const PAGE: usize = 1 << 16;

/// Memory is asked for in steps of this many pages: asking costs more than having.
const STEP: usize = 16;

struct Bump {
    /// The end of what is handed out; 0 before the first time.
    next: AtomicUsize,
    /// The end of what there is.
    end: AtomicUsize,
}

#[global_allocator]
static ALLOCATOR: Bump = Bump { next: AtomicUsize::new(0), end: AtomicUsize::new(0) };

unsafe extern "C" {
    /// Where the linker's data ends; its address is what counts.
    static __heap_base: u8;
}

impl Bump {
    /// Makes sure that memory reaches up to an address.
    fn reach(&self, address: usize) -> bool {
        let end = self.end.load(Relaxed);
        if address <= end {
            return true;
        }
        let pages = address.saturating_sub(end).div_ceil(PAGE).max(STEP);
        if wasm32::memory_grow::<0>(pages) == usize::MAX {
            return false;
        }
        let grown = wasm32::memory_size::<0>().saturating_mul(PAGE);
        self.end.store(grown, Relaxed);
        address <= grown
    }
}

// SAFETY: blocks come from memory that is handed out once, at the alignment that is asked for.
// There is one thread.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut next = self.next.load(Relaxed);
        if next == 0 {
            next = (&raw const __heap_base).addr();
            self.end.store(wasm32::memory_size::<0>().saturating_mul(PAGE), Relaxed);
        }
        let Some(block) = next.checked_next_multiple_of(layout.align()) else {
            return null_mut();
        };
        let Some(after) = block.checked_add(layout.size()) else {
            return null_mut();
        };
        if !self.reach(after) {
            return null_mut();
        }
        self.next.store(after, Relaxed);
        block as *mut u8
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if block.addr().wrapping_add(layout.size()) == self.next.load(Relaxed) {
            self.next.store(block.addr(), Relaxed);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if block.addr().wrapping_add(layout.size()) == self.next.load(Relaxed) {
            let Some(after) = block.addr().checked_add(size) else {
                return null_mut();
            };
            if !self.reach(after) {
                return null_mut();
            }
            self.next.store(after, Relaxed);
            return block;
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: the alignment was valid before, and the new block is larger than the old.
        unsafe {
            let layout_of_new = Layout::from_size_align_unchecked(size, layout.align());
            let new = self.alloc(layout_of_new);
            if !new.is_null() {
                block.copy_to_nonoverlapping(new, layout.size());
            }
            new
        }
    }
}
