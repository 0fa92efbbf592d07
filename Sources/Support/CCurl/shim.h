// Typed inlines over libcurl: `curl_easy_setopt`, `curl_easy_getinfo` and `curl_multi_setopt` are variadic, and the
// `CURLMsg` union is not imported by Swift. Needs libcurl 7.85 (CURLOPT_PROTOCOLS_STR) or later.
#pragma once
// Swift's importer only: system types stay Glibc's, see cposix_glibc.h.
#ifdef __swift__
#pragma clang module import SwiftGlibc
#endif
#include <curl/curl.h>

#if LIBCURL_VERSION_NUM < 0x075500
#error "libcurl 7.85 or later is needed"
#endif

static inline CURLcode ccurl_set_long(CURL *easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode ccurl_set_offset(CURL *easy, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(easy, option, value);
}

/// libcurl copies the string, except for CURLOPT_POSTFIELDS.
static inline CURLcode ccurl_set_string(CURL *easy, CURLoption option, const char *value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode ccurl_set_pointer(CURL *easy, CURLoption option, void *value) {
    return curl_easy_setopt(easy, option, value);
}

/// CURLOPT_HTTPHEADER: the list is not copied and must outlive the transfer.
static inline CURLcode ccurl_set_headers(CURL *easy, struct curl_slist *list) {
    return curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
}

/// CURLOPT_POSTFIELDS: the bytes are not copied and must outlive the transfer. An empty body is a pointer to a constant:
/// with a null one libcurl would ask a callback for the body.
static inline CURLcode ccurl_set_body(CURL *easy, const void *bytes, curl_off_t count) {
    CURLcode status = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, count);
    if (status != CURLE_OK) return status;
    return curl_easy_setopt(easy, CURLOPT_POSTFIELDS, count > 0 ? (const char *)bytes : "");
}

static inline CURLcode ccurl_set_write(CURL *easy, curl_write_callback callback, void *data) {
    CURLcode status = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, callback);
    return status != CURLE_OK ? status : curl_easy_setopt(easy, CURLOPT_WRITEDATA, data);
}

static inline CURLcode ccurl_set_header(CURL *easy, curl_write_callback callback, void *data) {
    CURLcode status = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, callback);
    return status != CURLE_OK ? status : curl_easy_setopt(easy, CURLOPT_HEADERDATA, data);
}

static inline CURLcode ccurl_set_prerequest(CURL *easy, curl_prereq_callback callback, void *data) {
    CURLcode status = curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, callback);
    return status != CURLE_OK ? status : curl_easy_setopt(easy, CURLOPT_PREREQDATA, data);
}

static inline CURLcode ccurl_set_close_socket(CURL *easy, curl_closesocket_callback callback, void *data) {
    CURLcode status = curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, callback);
    return status != CURLE_OK ? status : curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, data);
}

static inline long ccurl_get_long(CURL *easy, CURLINFO info) {
    long value = 0;
    curl_easy_getinfo(easy, info, &value);
    return value;
}

/// The string belongs to the handle or to libcurl; NULL when it has none.
static inline const char *ccurl_get_string(CURL *easy, CURLINFO info) {
    char *value = NULL;
    curl_easy_getinfo(easy, info, &value);
    return value;
}

static inline void *ccurl_get_private(CURL *easy) {
    char *value = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &value);
    return value;
}

static inline CURLMcode ccurl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}

static inline CURLMcode ccurl_multi_set_socket(CURLM *multi, curl_socket_callback callback, void *data) {
    CURLMcode status = curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, callback);
    return status != CURLM_OK ? status : curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, data);
}

static inline CURLMcode ccurl_multi_set_timer(CURLM *multi, curl_multi_timer_callback callback, void *data) {
    CURLMcode status = curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, callback);
    return status != CURLM_OK ? status : curl_multi_setopt(multi, CURLMOPT_TIMERDATA, data);
}

/// Takes one finished transfer off the multi handle's list: its easy handle and result, or NULL when there is none.
static inline CURL *ccurl_multi_next_done(CURLM *multi, CURLcode *result) {
    int left = 0;
    CURLMsg *message;
    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) continue;
        *result = message->data.result;
        return message->easy_handle;
    }
    return NULL;
}
