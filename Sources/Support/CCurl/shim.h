// Typed inlines over libcurl: `curl_easy_setopt` and `curl_easy_getinfo` are variadic, and the `CURLMsg` union is not
// imported by Swift.
#pragma once
#include <curl/curl.h>
