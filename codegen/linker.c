/* linker.c: the linker: relocatable ELF objects, as LLVM writes them for position-independent code, into one image.
 *
 * Layout: all sections that are loaded and need no address of their own, one after the other (code and read-only data); stubs for calls out of the image; on a
 * new page the words: sections with absolute addresses in them, then one word per symbol whose address is loaded from memory. So the first part is
 * final at any address, and loading touches the words only. Objects come from LLVM, or from a cache with checksums; their offsets are checked all the same.
 *
 * Unwind tables are left out: generated functions neither throw nor are they walked. What is not known here is an error that names it. */
#include "linker.h"
#include <elf.h>
#include <string.h>

typedef struct section { int64_t offset; bool loaded, words; } section;
typedef struct object {
    const sl_link_object *file;
    const Elf64_Shdr *headers;
    int header_count;
    section *sections;
    const Elf64_Sym *symbols;
    int64_t symbol_count;
    const char *strings;
    size_t string_bytes;
} object;

/* A symbol by name, or a place in a section of one object: whose word or stub it is. */
typedef struct slot { const char *name; int64_t target, word, stub; } slot;

typedef struct linker {
    sl_arena *arena;
    uint32_t machine;
    object *objects;
    size_t object_count;
    uint8_t *bytes;
    int64_t code_end, stub_end, size;
    SL_VEC(slot) slots;
    SL_VEC(sl_link_symbol) exports;
    SL_VEC(sl_image_import) imports;
    SL_VEC(int64_t) fixups;
} linker;

enum { STUB_BYTES = 16 };

static sl_status broken(const object *o, const char *what) { return SL_ERROR(SL_INTERNAL, "object '%s': %s", o->file->name, what); }

static bool inside(const object *o, uint64_t offset, uint64_t size) { return offset <= o->file->size && size <= o->file->size - offset; }

static sl_status open_object(linker *l, object *o) {
    Elf64_Ehdr header;
    if (o->file->size < sizeof header) return broken(o, "too short");
    memcpy(&header, o->file->data, sizeof header);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_REL)
        return broken(o, "no relocatable ELF object");
    if (header.e_machine != EM_X86_64 && header.e_machine != EM_AARCH64) return broken(o, "for an unknown machine");
    if (l->machine && l->machine != header.e_machine) return broken(o, "for another machine than the others");
    l->machine = header.e_machine;
    if (header.e_shentsize != sizeof(Elf64_Shdr) || !inside(o, header.e_shoff, (uint64_t)header.e_shnum * sizeof(Elf64_Shdr))) return broken(o, "bad section table");
    o->header_count = header.e_shnum;
    Elf64_Shdr *headers = SL_NEW_ARRAY(l->arena, Elf64_Shdr, (size_t)o->header_count + 1);
    memcpy(headers, o->file->data + header.e_shoff, (size_t)o->header_count * sizeof(Elf64_Shdr));
    o->headers = headers;
    o->sections = SL_NEW_ARRAY(l->arena, section, (size_t)o->header_count + 1);
    for (int i = 0; i < o->header_count; ++i) {
        const Elf64_Shdr *h = &headers[i];
        if (h->sh_type != SHT_NOBITS && !inside(o, h->sh_offset, h->sh_size)) return broken(o, "a section outside of the file");
        if (h->sh_size > UINT32_MAX || h->sh_addralign > SL_IMAGE_PAGE) return broken(o, "a section that is too large");
        if (h->sh_type != SHT_SYMTAB) continue;
        if (h->sh_link >= (unsigned)o->header_count) return broken(o, "bad symbol table");
        o->symbol_count = (int64_t)(h->sh_size / sizeof(Elf64_Sym));
        Elf64_Sym *symbols = SL_NEW_ARRAY(l->arena, Elf64_Sym, (size_t)o->symbol_count + 1);
        memcpy(symbols, o->file->data + h->sh_offset, (size_t)o->symbol_count * sizeof(Elf64_Sym));
        o->symbols = symbols;
        o->strings = (const char *)o->file->data + headers[h->sh_link].sh_offset;
        o->string_bytes = headers[h->sh_link].sh_size;
        if (!o->string_bytes || o->strings[o->string_bytes - 1]) return broken(o, "bad symbol names");
    }
    if (header.e_shstrndx >= o->header_count) return broken(o, "no section names");
    const Elf64_Shdr *names = &headers[header.e_shstrndx];
    for (int i = 0; i < o->header_count; ++i) {
        const Elf64_Shdr *h = &headers[i];
        bool unwind = h->sh_name + sizeof ".eh_frame" <= names->sh_size && !memcmp(o->file->data + names->sh_offset + h->sh_name, ".eh_frame", sizeof ".eh_frame");
        o->sections[i].loaded = (h->sh_flags & SHF_ALLOC) && h->sh_size && !unwind;
        o->sections[i].words = o->sections[i].loaded && (h->sh_flags & SHF_WRITE);
    }
    return NULL;
}

static const char *symbol_name(const object *o, const Elf64_Sym *symbol) { return symbol->st_name < o->string_bytes ? o->strings + symbol->st_name : ""; }

static int64_t place(int64_t *end, uint64_t size, uint64_t alignment) {
    if (alignment < 1) alignment = 1;
    int64_t at = (*end + (int64_t)alignment - 1) / (int64_t)alignment * (int64_t)alignment;
    *end = at + (int64_t)size;
    return at;
}

static void lay_out(linker *l, bool words, int64_t *end) {
    for (size_t k = 0; k < l->object_count; ++k) {
        object *o = &l->objects[k];
        for (int i = 0; i < o->header_count; ++i)
            if (o->sections[i].loaded && o->sections[i].words == words) o->sections[i].offset = place(end, o->headers[i].sh_size, o->headers[i].sh_addralign);
    }
}

static int64_t find_export(const linker *l, const char *name) {
    for (size_t i = 0; i < l->exports.count; ++i)
        if (!strcmp(l->exports.data[i].name, name)) return l->exports.data[i].offset;
    return -1;
}

static sl_status collect_exports(linker *l) {
    for (size_t k = 0; k < l->object_count; ++k) {
        object *o = &l->objects[k];
        for (int64_t i = 0; i < o->symbol_count; ++i) {
            const Elf64_Sym *s = &o->symbols[i];
            if (ELF64_ST_BIND(s->st_info) == STB_LOCAL || s->st_shndx == SHN_UNDEF) continue;
            if (s->st_shndx >= o->header_count || !o->sections[s->st_shndx].loaded || s->st_value > o->headers[s->st_shndx].sh_size) return broken(o, "a symbol in no section");
            const char *name = symbol_name(o, s);
            if (find_export(l, name) >= 0) return SL_ERROR(SL_INTERNAL, "two objects define '%s'", name);
            sl_link_symbol symbol = {sl_arena_strdup(l->arena, name), o->sections[s->st_shndx].offset + (int64_t)s->st_value};
            SL_PUSH(l->arena, &l->exports, symbol);
        }
    }
    return NULL;
}

/* Where a symbol is: an offset in the image, or -1 and its name when it is outside. */
static sl_status resolve(const linker *l, const object *o, uint64_t index, int64_t *offset, const char **name) {
    if (index >= (uint64_t)o->symbol_count) return broken(o, "a relocation against no symbol");
    const Elf64_Sym *s = &o->symbols[index];
    *name = symbol_name(o, s);
    if (s->st_shndx == SHN_UNDEF) {
        *offset = find_export(l, *name);
        return NULL;
    }
    if (s->st_shndx >= o->header_count || !o->sections[s->st_shndx].loaded) return SL_ERROR(SL_INTERNAL, "object '%s': '%s' is in a section that is not loaded", o->file->name, *name);
    *offset = o->sections[s->st_shndx].offset + (int64_t)s->st_value;
    return NULL;
}

static slot *slot_of(linker *l, int64_t target, const char *name) {
    for (size_t i = 0; i < l->slots.count; ++i)
        if (target >= 0 ? l->slots.data[i].target == target : l->slots.data[i].target < 0 && !strcmp(l->slots.data[i].name, name)) return &l->slots.data[i];
    slot made = {target < 0 ? sl_arena_strdup(l->arena, name) : NULL, target, -1, -1};
    SL_PUSH(l->arena, &l->slots, made);
    return &l->slots.data[l->slots.count - 1];
}

typedef enum use { USE_DIRECT, USE_CALL, USE_WORD, USE_ABSOLUTE, USE_UNKNOWN } use;

static use use_of(uint32_t machine, uint32_t type) {
    if (machine == EM_X86_64) {
        switch (type) {
        case R_X86_64_PC32: case R_X86_64_PC64: return USE_DIRECT;
        case R_X86_64_PLT32: return USE_CALL;
        case R_X86_64_GOTPCREL: case R_X86_64_GOTPCRELX: case R_X86_64_REX_GOTPCRELX: return USE_WORD;
        case R_X86_64_64: return USE_ABSOLUTE;
        }
        return USE_UNKNOWN;
    }
    switch (type) {
    case R_AARCH64_PREL64: case R_AARCH64_PREL32: case R_AARCH64_ADR_PREL_PG_HI21: case R_AARCH64_ADD_ABS_LO12_NC: case R_AARCH64_LDST8_ABS_LO12_NC:
    case R_AARCH64_LDST16_ABS_LO12_NC: case R_AARCH64_LDST32_ABS_LO12_NC: case R_AARCH64_LDST64_ABS_LO12_NC: case R_AARCH64_LDST128_ABS_LO12_NC:
    case R_AARCH64_ADR_PREL_LO21: return USE_DIRECT;
    case R_AARCH64_CALL26: case R_AARCH64_JUMP26: return USE_CALL;
    case R_AARCH64_ADR_GOT_PAGE: case R_AARCH64_LD64_GOT_LO12_NC: return USE_WORD;
    case R_AARCH64_ABS64: return USE_ABSOLUTE;
    }
    return USE_UNKNOWN;
}

static void put32(uint8_t *at, uint32_t value) { memcpy(at, &value, 4); }
static uint32_t get32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

static uint32_t adrp(uint32_t word, int64_t target, int64_t at) {
    uint32_t pages = (uint32_t)((target >> 12) - (at >> 12)) & 0x1FFFFF;
    return (word & 0x9F00001F) | (pages & 3) << 29 | (pages >> 2) << 5;
}
static uint32_t low12(uint32_t word, int64_t target, int shift) { return (word & ~(0xFFFu << 10)) | (uint32_t)((target & 0xFFF) >> shift) << 10; }

/* Writes the relocated field at image offset `at`; false when it does not fit. */
static bool apply(linker *l, uint32_t type, int64_t at, int64_t value) {
    uint8_t *field = l->bytes + at;
    int64_t relative = value - at;
    if (l->machine == EM_X86_64) {
        if (type == R_X86_64_PC64) memcpy(field, &relative, 8);
        else put32(field, (uint32_t)relative);
        return type == R_X86_64_PC64 || relative == (int32_t)relative;
    }
    switch (type) {
    case R_AARCH64_PREL64: memcpy(field, &relative, 8); return true;
    case R_AARCH64_PREL32: put32(field, (uint32_t)relative); return relative == (int32_t)relative;
    case R_AARCH64_CALL26: case R_AARCH64_JUMP26:
        put32(field, (get32(field) & 0xFC000000) | ((uint32_t)(relative >> 2) & 0x03FFFFFF));
        return relative % 4 == 0 && relative >= -(INT64_C(1) << 27) && relative < INT64_C(1) << 27;
    case R_AARCH64_ADR_PREL_LO21:
        put32(field, (get32(field) & 0x9F00001F) | ((uint32_t)relative & 3) << 29 | ((uint32_t)(relative >> 2) & 0x7FFFF) << 5);
        return relative >= -(1 << 20) && relative < 1 << 20;
    case R_AARCH64_ADR_PREL_PG_HI21: case R_AARCH64_ADR_GOT_PAGE: put32(field, adrp(get32(field), value, at)); return true;
    case R_AARCH64_ADD_ABS_LO12_NC: case R_AARCH64_LDST8_ABS_LO12_NC: put32(field, low12(get32(field), value, 0)); return true;
    case R_AARCH64_LDST16_ABS_LO12_NC: put32(field, low12(get32(field), value, 1)); return value % 2 == 0;
    case R_AARCH64_LDST32_ABS_LO12_NC: put32(field, low12(get32(field), value, 2)); return value % 4 == 0;
    case R_AARCH64_LDST64_ABS_LO12_NC: case R_AARCH64_LD64_GOT_LO12_NC: put32(field, low12(get32(field), value, 3)); return value % 8 == 0;
    case R_AARCH64_LDST128_ABS_LO12_NC: put32(field, low12(get32(field), value, 4)); return value % 16 == 0;
    }
    return false;
}

/* A jump through the symbol's word. */
static void write_stub(linker *l, const slot *s) {
    uint8_t *stub = l->bytes + s->stub;
    if (l->machine == EM_X86_64) {
        stub[0] = 0xFF, stub[1] = 0x25;   /* jmp *[rip + word] */
        put32(stub + 2, (uint32_t)(s->word - s->stub - 6));
        return;
    }
    put32(stub, adrp(0x90000010, s->word, s->stub));          /* adrp x16, word */
    put32(stub + 4, low12(0xF9400210, s->word, 3));           /* ldr x16, [x16, word] */
    put32(stub + 8, 0xD61F0200);                              /* br x16 */
}

typedef sl_status (*relocation_fn)(linker *l, object *o, int target, const Elf64_Rela *rela);

static sl_status each_relocation(linker *l, relocation_fn visit) {
    for (size_t k = 0; k < l->object_count; ++k) {
        object *o = &l->objects[k];
        for (int i = 0; i < o->header_count; ++i) {
            const Elf64_Shdr *h = &o->headers[i];
            if (h->sh_type == SHT_REL && h->sh_info < (unsigned)o->header_count && o->sections[h->sh_info].loaded) return broken(o, "relocations without addends");
            if (h->sh_type != SHT_RELA || h->sh_info >= (unsigned)o->header_count || !o->sections[h->sh_info].loaded) continue;
            for (uint64_t r = 0; r < h->sh_size / sizeof(Elf64_Rela); ++r) {
                Elf64_Rela rela;
                memcpy(&rela, o->file->data + h->sh_offset + r * sizeof rela, sizeof rela);
                if (rela.r_offset + 8 < 8 || rela.r_offset + 4 > o->headers[h->sh_info].sh_size) return broken(o, "a relocation outside of its section");
                SL_TRY(visit(l, o, (int)h->sh_info, &rela));
            }
        }
    }
    return NULL;
}

/* First walk: which sections hold addresses. */
static sl_status find_words(linker *l, object *o, int target, const Elf64_Rela *rela) {
    use how = use_of(l->machine, ELF64_R_TYPE(rela->r_info));
    if (how == USE_UNKNOWN) return SL_ERROR(SL_INTERNAL, "object '%s': relocation type %u is not known", o->file->name, (unsigned)ELF64_R_TYPE(rela->r_info));
    if (how != USE_ABSOLUTE) return NULL;
    if (o->headers[target].sh_flags & SHF_EXECINSTR) return broken(o, "an absolute address in code");
    if (rela->r_offset + 8 > o->headers[target].sh_size || rela->r_offset % 8 || o->headers[target].sh_addralign % 8) return broken(o, "an absolute address at an odd place");
    o->sections[target].words = true;
    return NULL;
}

/* Second walk: which symbols need a word or a stub. */
static sl_status find_slots(linker *l, object *o, int target, const Elf64_Rela *rela) {
    (void)target;
    int64_t offset;
    const char *name;
    use how = use_of(l->machine, ELF64_R_TYPE(rela->r_info));
    SL_TRY(resolve(l, o, ELF64_R_SYM(rela->r_info), &offset, &name));
    if (how == USE_WORD) slot_of(l, offset, name)->word = 0;
    if (how == USE_CALL && offset < 0) {
        slot *s = slot_of(l, offset, name);
        s->word = s->stub = 0;
    }
    if ((how == USE_DIRECT || how == USE_ABSOLUTE) && offset < 0) return SL_ERROR(SL_INTERNAL, "object '%s': data '%s' is not defined", o->file->name, name);
    return NULL;
}

static sl_status relocate(linker *l, object *o, int target, const Elf64_Rela *rela) {
    int64_t offset, at = o->sections[target].offset + (int64_t)rela->r_offset;
    const char *name;
    uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
    SL_TRY(resolve(l, o, ELF64_R_SYM(rela->r_info), &offset, &name));
    use how = use_of(l->machine, type);
    if (how == USE_ABSOLUTE) {
        int64_t value = offset + rela->r_addend;
        memcpy(l->bytes + at, &value, 8);
        SL_PUSH(l->arena, &l->fixups, at);
        return NULL;
    }
    if (how == USE_WORD) offset = slot_of(l, offset, name)->word;
    else if (how == USE_CALL && offset < 0) offset = slot_of(l, offset, name)->stub;
    if (!apply(l, type, at, offset + rela->r_addend)) return SL_ERROR(SL_INTERNAL, "object '%s': relocation type %u against '%s' does not fit", o->file->name, type, name);
    return NULL;
}

sl_status sl_link(sl_arena *arena, const sl_link_object *objects, size_t count, sl_linked *linked) {
    linker l = {.arena = arena, .objects = SL_NEW_ARRAY(arena, object, count + 1), .object_count = count};
    for (size_t i = 0; i < count; ++i) {
        l.objects[i].file = &objects[i];
        SL_TRY(open_object(&l, &l.objects[i]));
    }
    SL_TRY(each_relocation(&l, find_words));
    int64_t end = 0;
    lay_out(&l, false, &end);
    l.code_end = place(&end, 0, STUB_BYTES);
    /* Words of sections come behind the stubs, whose number the second walk finds; until then their offsets are from 0 in a range of their own. */
    int64_t words = INT64_C(1) << 40;
    const int64_t words_start = words;
    lay_out(&l, true, &words);
    SL_TRY(collect_exports(&l));
    SL_TRY(each_relocation(&l, find_slots));
    for (size_t i = 0; i < l.slots.count; ++i)
        if (l.slots.data[i].stub >= 0) l.slots.data[i].stub = place(&end, STUB_BYTES, STUB_BYTES);
    int64_t code_bytes = (end + SL_IMAGE_PAGE - 1) / SL_IMAGE_PAGE * SL_IMAGE_PAGE;
    if (!code_bytes) code_bytes = SL_IMAGE_PAGE;
    int64_t shift = code_bytes - words_start;
    for (size_t k = 0; k < count; ++k)
        for (int i = 0; i < l.objects[k].header_count; ++i)
            if (l.objects[k].sections[i].loaded && l.objects[k].sections[i].words) l.objects[k].sections[i].offset += shift;
    for (size_t i = 0; i < l.exports.count; ++i)
        if (l.exports.data[i].offset >= words_start) l.exports.data[i].offset += shift;
    end = words + shift;
    for (size_t i = 0; i < l.slots.count; ++i) {
        if (l.slots.data[i].target >= words_start) l.slots.data[i].target += shift;
        l.slots.data[i].word = place(&end, 8, 8);
    }
    l.size = place(&end, 0, 64);
    if (l.size > INT32_MAX) return SL_ERROR(SL_OVERFLOW, "more than 2 GB of code");

    l.bytes = sl_arena_alloc_aligned(arena, (size_t)l.size, 64);
    for (size_t k = 0; k < count; ++k) {
        object *o = &l.objects[k];
        for (int i = 0; i < o->header_count; ++i)
            if (o->sections[i].loaded && o->headers[i].sh_type != SHT_NOBITS)
                memcpy(l.bytes + o->sections[i].offset, o->file->data + o->headers[i].sh_offset, o->headers[i].sh_size);
    }
    for (size_t i = 0; i < l.slots.count; ++i) {
        const slot *s = &l.slots.data[i];
        if (s->target >= 0) {
            memcpy(l.bytes + s->word, &s->target, 8);
            SL_PUSH(arena, &l.fixups, s->word);
        } else {
            sl_image_import import = {s->word, s->name};
            SL_PUSH(arena, &l.imports, import);
        }
        if (s->stub >= 0) write_stub(&l, s);
    }
    SL_TRY(each_relocation(&l, relocate));
    *linked = (sl_linked){{l.machine, l.bytes, code_bytes, l.size - code_bytes, (int64_t)l.imports.count, (int64_t)l.fixups.count, l.imports.data, l.fixups.data},
                          l.exports.data, l.exports.count};
    return NULL;
}

int64_t sl_linked_find(const sl_linked *linked, const char *symbol) {
    for (size_t i = 0; i < linked->symbol_count; ++i)
        if (!strcmp(linked->symbols[i].name, symbol)) return linked->symbols[i].offset;
    return -1;
}
