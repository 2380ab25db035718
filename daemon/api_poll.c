/* shared_poll_publish. */
#include <errno.h>

#include "daemon/api_impl.h"

int api_shared_poll_publish(struct api_call *c) {
    return api_error(c, ERROR_NOT_AVAILABLE, "shared poll is not there yet");
}
