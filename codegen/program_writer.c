/* program_writer.c: see program_writer.h and program_file.h. Constants are written from where they lie; only meta and code are put together in memory. A constant that
 * several places use is written once. The ELF object is the same bytes as one read-only section behind a header of one page. */
#include "sluice/program_writer.h"
#include "cache.h"
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

const char *sl_compiler_id(sl_arena *arena) { return sl_cache_compiler_id(arena); }

enum { PAGE = 4096 };

/* ---- meta ---- */

static void put_int(sl_text *out, int64_t value) { sl_text_append_bytes(out, (const char *)&value, 8); }

static void put_text(sl_text *out, const char *text) {
    if (!text) text = "";
    put_int(out, (int64_t)strlen(text));
    sl_text_append_bytes(out, text, strlen(text) + 1);
}

static void put_values(sl_text *out, const sl_abi_value *values, int32_t count) {
    for (int32_t i = 0; i < count; ++i) {
        put_text(out, values[i].name);
        put_int(out, values[i].element);
        put_int(out, values[i].rank);
        for (int32_t d = 0; d < values[i].rank; ++d) {
            put_int(out, values[i].dims[d]);
            put_text(out, values[i].symbols[d]);
        }
    }
}

static void put_table(sl_text *out, const sl_program_table *table) {
    put_int(out, table->input_count);
    put_int(out, table->output_count);
    put_int(out, table->symbol_count);
    put_int(out, table->dynamic_slot_count);
    put_int(out, table->scratch_bytes);
    put_int(out, table->queue_launches);
    put_int(out, table->queue_words);
    put_values(out, table->inputs, table->input_count);
    put_values(out, table->outputs, table->output_count);
    put_int(out, table->kernel_count);
    for (int32_t i = 0; i < table->kernel_count; ++i) {
        const sl_abi_kernel *kernel = &table->kernels[i];
        put_text(out, kernel->name);
        put_text(out, kernel->location);
        put_int(out, kernel->weight_bytes);
        put_int(out, kernel->branch);
        put_int(out, kernel->products);
        put_int(out, kernel->conditional);
    }
    put_int(out, table->branch_count);
    for (int32_t i = 0; i < table->branch_count; ++i) {
        put_text(out, table->branches[i].location);
        put_int(out, table->branches[i].index);
        put_int(out, table->branches[i].parent);
    }
}

/* ---- the plan of a file ---- */

typedef struct placed { int64_t offset; int section; bool first; } placed;   /* first: its bytes are written for this entry */

struct sl_program_writer {
    const sl_compiled *compiled;
    placed *constants;
    sl_text meta;
    sl_program_file_header header;
    bool object;
    sl_text symbol_names;
    size_t start_name, end_name;
};
typedef sl_program_writer plan;

static uint64_t round_up(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

static void place_constants(sl_arena *arena, plan *p) {
    const sl_compiled *compiled = p->compiled;
    int32_t count = compiled->table->constant_count;
    p->constants = SL_NEW_ARRAY(arena, placed, (size_t)count + 1);
    uint64_t ends[SL_SECTION_COUNT] = {0};
    for (int32_t i = 0; i < count; ++i) {
        placed *mine = &p->constants[i];
        for (int32_t k = 0; k < i && !mine->section; ++k) {
            if (compiled->table->constants[k] != compiled->table->constants[i] || compiled->constants[k].bytes != compiled->constants[i].bytes ||
                compiled->constants[k].checked != compiled->constants[i].checked)
                continue;
            *mine = (placed){p->constants[k].offset, p->constants[k].section, false};
        }
        if (mine->section) continue;
        int section = compiled->constants[i].checked ? SL_SECTION_CHECKED : SL_SECTION_BULK;
        *mine = (placed){(int64_t)ends[section], section, true};
        ends[section] += round_up((uint64_t)compiled->constants[i].bytes, 64);
    }
    p->header.sections[SL_SECTION_CHECKED].size = ends[SL_SECTION_CHECKED];
    p->header.sections[SL_SECTION_BULK].size = ends[SL_SECTION_BULK];
}

static void put_rest(plan *p) {
    const sl_image *image = p->compiled->image;
    put_int(&p->meta, p->compiled->table->constant_count);
    for (int32_t i = 0; i < p->compiled->table->constant_count; ++i) {
        put_int(&p->meta, p->constants[i].section);
        put_int(&p->meta, p->constants[i].offset);
        put_int(&p->meta, p->compiled->constants[i].bytes);
    }
    put_int(&p->meta, image->code_bytes);
    put_int(&p->meta, image->data_bytes);
    put_int(&p->meta, image->import_count);
    for (int64_t i = 0; i < image->import_count; ++i) {
        put_int(&p->meta, image->imports[i].word);
        put_text(&p->meta, image->imports[i].name);
    }
    put_int(&p->meta, image->fixup_count);
    for (int64_t i = 0; i < image->fixup_count; ++i) put_int(&p->meta, image->fixups[i]);
    put_int(&p->meta, p->compiled->prepare);
    put_int(&p->meta, p->compiled->run);
}

static uint64_t constants_checksum(const plan *p, int section) {
    sl_checksum sum;
    sl_checksum_init(&sum);
    for (int32_t i = 0; i < p->compiled->table->constant_count; ++i)
        if (p->constants[i].first && p->constants[i].section == section) sl_checksum_add(&sum, p->compiled->table->constants[i], (size_t)p->compiled->constants[i].bytes);
    return sl_checksum_value(&sum);
}

static void make_plan(sl_arena *arena, plan *p, const sl_compiled *compiled, const sl_program_origin *origin) {
    p->compiled = compiled;
    place_constants(arena, p);
    sl_text_init(&p->meta, arena);
    put_text(&p->meta, origin->compiler);
    put_text(&p->meta, origin->triple);
    put_text(&p->meta, origin->features);
    put_text(&p->meta, origin->key);
    put_text(&p->meta, origin->diagnostics);
    put_int(&p->meta, origin->source_count);
    for (int64_t i = 0; i < origin->source_count; ++i) {
        put_text(&p->meta, origin->sources[i].path);
        put_text(&p->meta, origin->sources[i].identity);
    }
    put_table(&p->meta, compiled->table);
    put_rest(p);

    sl_program_file_header *header = &p->header;
    memcpy(header->magic, SL_PROGRAM_FILE_MAGIC, sizeof header->magic);
    header->version = SL_PROGRAM_FILE_VERSION;
    header->abi_version = SL_ABI_VERSION;
    header->interface = sl_program_interface();
    header->machine = compiled->image->machine;
    sl_program_file_section *sections = header->sections;
    int64_t image_bytes = compiled->image->code_bytes + compiled->image->data_bytes;
    sections[SL_SECTION_META].size = round_up(p->meta.length, 64);
    sections[SL_SECTION_CODE].size = round_up((uint64_t)image_bytes, 64);
    uint64_t end = sizeof *header;
    for (int i = 0; i < SL_SECTION_COUNT; ++i) {
        if (i == SL_SECTION_BULK) end = round_up(end, PAGE);
        sections[i].offset = end;
        end += sections[i].size;
    }
    header->file_size = end;
    sections[SL_SECTION_META].checksum = sl_checksum_of(p->meta.data, p->meta.length);
    sections[SL_SECTION_CODE].checksum = sl_checksum_of(compiled->image->bytes, (size_t)image_bytes);
    sections[SL_SECTION_CHECKED].checksum = constants_checksum(p, SL_SECTION_CHECKED);
    sections[SL_SECTION_BULK].checksum = constants_checksum(p, SL_SECTION_BULK);
    header->checksum = sl_checksum_of(header, sizeof *header - 8);
}

/* ---- writing ---- */

typedef struct stream { int descriptor; const char *path; uint64_t written; sl_status status; } stream;

static void put_bytes(stream *w, const void *data, uint64_t size) {
    const char *bytes = data;
    for (uint64_t done = 0; done < size && !w->status;) {
        ssize_t put = write(w->descriptor, bytes + done, size - done < 1u << 30 ? (size_t)(size - done) : (size_t)1 << 30);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) w->status = SL_ERROR(SL_IO, "can't write '%s': %s", w->path, strerror(errno));
        else done += (uint64_t)put;
    }
    w->written += size;
}

/* Zeros up to `offset`, less than a page away. */
static void put_zeros(stream *w, uint64_t offset) {
    static const char zeros[PAGE];
    if (offset > w->written) put_bytes(w, zeros, offset - w->written);
}

/* `base`: where the program file starts in what is written. */
static void put_program(stream *w, const plan *p) {
    const uint64_t base = w->written;
    const sl_program_file_section *sections = p->header.sections;
    put_bytes(w, &p->header, sizeof p->header);
    put_bytes(w, p->meta.data, p->meta.length);
    put_zeros(w, base + sections[SL_SECTION_CODE].offset);
    put_bytes(w, p->compiled->image->bytes, (uint64_t)(p->compiled->image->code_bytes + p->compiled->image->data_bytes));
    for (int section = SL_SECTION_CHECKED; section <= SL_SECTION_BULK; ++section)
        for (int32_t i = 0; i < p->compiled->table->constant_count; ++i) {
            if (!p->constants[i].first || p->constants[i].section != section) continue;
            put_zeros(w, base + sections[section].offset + (uint64_t)p->constants[i].offset);
            put_bytes(w, p->compiled->table->constants[i], (uint64_t)p->compiled->constants[i].bytes);
        }
    put_zeros(w, base + p->header.file_size);
}

static void put_object(stream *w, const plan *p) {
    static const char section_names[] = "\0.rodata.sluice\0.note.GNU-stack\0.symtab\0.strtab\0.shstrtab";
    enum { NAME_DATA = 1, NAME_STACK = 16, NAME_SYMBOLS = 32, NAME_STRINGS = 40, NAME_NAMES = 48 };
    Elf64_Sym symbols[3] = {{0}};
    symbols[1] = (Elf64_Sym){.st_name = (Elf64_Word)p->start_name, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), .st_shndx = 1, .st_size = p->header.file_size};
    symbols[2] = (Elf64_Sym){.st_name = (Elf64_Word)p->end_name, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE), .st_shndx = 1, .st_value = p->header.file_size};
    uint64_t data = PAGE, symbol_at = data + round_up(p->header.file_size, 64), string_at = symbol_at + sizeof symbols, names_at = string_at + p->symbol_names.length;
    uint64_t headers_at = round_up(names_at + sizeof section_names, 64);
    Elf64_Shdr headers[6] = {{0}};
    headers[1] = (Elf64_Shdr){.sh_name = NAME_DATA, .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC, .sh_offset = data, .sh_size = p->header.file_size, .sh_addralign = PAGE};
    headers[2] = (Elf64_Shdr){.sh_name = NAME_STACK, .sh_type = SHT_PROGBITS, .sh_offset = symbol_at, .sh_addralign = 1};
    headers[3] = (Elf64_Shdr){.sh_name = NAME_SYMBOLS, .sh_type = SHT_SYMTAB, .sh_offset = symbol_at, .sh_size = sizeof symbols, .sh_link = 4, .sh_info = 1, .sh_addralign = 8,
                              .sh_entsize = sizeof(Elf64_Sym)};
    headers[4] = (Elf64_Shdr){.sh_name = NAME_STRINGS, .sh_type = SHT_STRTAB, .sh_offset = string_at, .sh_size = p->symbol_names.length, .sh_addralign = 1};
    headers[5] = (Elf64_Shdr){.sh_name = NAME_NAMES, .sh_type = SHT_STRTAB, .sh_offset = names_at, .sh_size = sizeof section_names, .sh_addralign = 1};
    Elf64_Ehdr elf = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT}, .e_type = ET_REL, .e_machine = (Elf64_Half)p->header.machine,
                      .e_version = EV_CURRENT, .e_shoff = headers_at, .e_ehsize = sizeof elf, .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = 6, .e_shstrndx = 5};
    put_bytes(w, &elf, sizeof elf);
    put_zeros(w, data);
    put_program(w, p);
    put_zeros(w, symbol_at);
    put_bytes(w, symbols, sizeof symbols);
    put_bytes(w, p->symbol_names.data, p->symbol_names.length);
    put_bytes(w, section_names, sizeof section_names);
    put_zeros(w, headers_at);
    put_bytes(w, headers, sizeof headers);
}

sl_program_writer *sl_program_writer_create(sl_arena *arena, const sl_compiled *compiled, const sl_program_origin *origin, const char *object_name) {
    plan *p = SL_NEW(arena, plan);
    make_plan(arena, p, compiled, origin);
    p->object = object_name != NULL;
    if (!p->object) return p;
    sl_text *names = &p->symbol_names;
    sl_text_init(names, arena);
    sl_text_append_bytes(names, "", 1);
    p->start_name = names->length;
    sl_text_append(names, "%s_program", object_name);
    sl_text_append_bytes(names, "", 1);
    p->end_name = names->length;
    sl_text_append(names, "%s_program_end", object_name);
    sl_text_append_bytes(names, "", 1);
    return p;
}

sl_status sl_program_writer_write(const sl_program_writer *writer, int descriptor, const char *path) {
    stream w = {descriptor, path, 0, NULL};
    if (writer->object) put_object(&w, writer);
    else put_program(&w, writer);
    return w.status;
}
