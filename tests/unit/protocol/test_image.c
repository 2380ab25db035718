#include "protocol/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void expect(struct str head, const char *type, unsigned width, unsigned height) {
    struct image i = image_of(str_bytes(head));
    assert_true(str_equal(i.type, str_of(type)));
    assert_int_equal(i.width, width);
    assert_int_equal(i.height, height);
}

#define PNG "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x02\x80\0\0\x01\xe0\x08\x02\0\0\0"
#define SOF "\xff\xc2\0\x11\x08\x0b\xb8\x0f\xa0\x03\0\0\0\0\0\0\0\0\0" /* 4000 by 3000 */

static void pictures_are_known_by_their_first_bytes(void **state) {
    expect(STR(PNG), "image/png", 640, 480);
    expect(STR("GIF87a\x40\x01\xc8\0"), "image/gif", 320, 200);
    expect(STR("GIF89a\x40\x01\xc8\0"), "image/gif", 320, 200);
    expect(STR("\xff\xd8\xff\xe0\0\x04JF" SOF), "image/jpeg", 4000, 3000);
    expect(STR("\xff\xd8\xff\xff\xff\xe0\0\x04JF" SOF), "image/jpeg", 4000, 3000);
    expect(STR("RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x1f\x03\0\x57\x02\0"), "image/webp", 800,
           600);
    expect(STR("RIFF\0\0\0\0WEBPVP8L\x0a\0\0\0\x2f\x63\x40\x0c\0"), "image/webp", 100, 50);
    expect(STR("RIFF\0\0\0\0WEBPVP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a\xb0\0\x90\0"), "image/webp", 176,
           144);
}

static void a_picture_lying_on_its_side_is_measured_as_it_is_shown(void **state) {
    expect(STR("\xff\xd8\xff\xe1\0\x22"
               "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0" SOF),
           "image/jpeg", 3000, 4000);
    expect(STR("\xff\xd8\xff\xe1\0\x22"
               "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0" SOF),
           "image/jpeg", 3000, 4000);
    expect(STR("\xff\xd8\xff\xe1\0\x22"
               "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0" SOF),
           "image/jpeg", 4000, 3000);
}

static void what_is_none_of_them_has_no_type(void **state) {
    expect(STR(""), "", 0, 0);
    expect(STR("<svg xmlns='http://www.w3.org/2000/svg'/>"), "", 0, 0);
    expect(STR("<html>"), "", 0, 0);
    expect(STR(" GIF89a"), "", 0, 0);
    expect(STR("RIFF\0\0\0\0WAVE"), "", 0, 0);
    expect(STR("%PDF-1.7"), "", 0, 0);
}

static void a_size_that_is_not_there_is_not_known(void **state) {
    expect(STR("\x89PNG\r\n\x1a\n"), "image/png", 0, 0);
    expect(STR("GIF89a\x40"), "image/gif", 0, 0);
    expect(STR("GIF89a\0\0\0\0"), "image/gif", 0, 0);
    expect(STR("\xff\xd8\xff"), "image/jpeg", 0, 0);
    expect(STR("\xff\xd8\xff\xda\0\x02" SOF), "image/jpeg", 0, 0);
    expect(STR("\xff\xd8\xff\xe0\xff\xff"), "image/jpeg", 0, 0);
    expect(STR("RIFF\0\0\0\0WEBP"), "image/webp", 0, 0);
    expect(STR("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\x7f\0\x02\x80\0\0\x01\xe0"), "image/png", 0, 0);
}

static void every_beginning_of_one_is_read_within_itself(void **state) {
    struct str whole = STR("\xff\xd8\xff\xe1\0\x22"
                           "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" SOF);
    for (size_t len = 0; len < whole.len; len++) {
        char exact[128];
        memcpy(exact, whole.data, len);
        (void) image_of(bytes_of(exact, len));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_known_by_their_first_bytes),
        cmocka_unit_test(a_picture_lying_on_its_side_is_measured_as_it_is_shown),
        cmocka_unit_test(what_is_none_of_them_has_no_type),
        cmocka_unit_test(a_size_that_is_not_there_is_not_known),
        cmocka_unit_test(every_beginning_of_one_is_read_within_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
